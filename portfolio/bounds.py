"""Minimum and maximum budget of each campaign."""

from __future__ import annotations

from typing import NamedTuple

from portfolio.snapshot import CampaignState, Snapshot


class Bounds(NamedTuple):
    """Bounds of each campaign in micros, in the snapshot's order; `low <= high`."""

    low: tuple[int, ...]
    high: tuple[int, ...]


def bounds_of(snapshot: Snapshot) -> Bounds:
    """Return the bounds for one allocation.

    In order of priority: committed money stays; a floor holds, except for paused campaigns; a cap holds; a paused
    campaign gets no more than it has; a step limit holds within all of these. When the step limits together need more
    than the total, budgets shrink faster than they allow: there is no other way to share out the money.
    """
    hard = [_hard(one) for one in snapshot.campaigns]
    soft = [_stepped(one, *edges) for one, edges in zip(snapshot.campaigns, hard, strict=True)]
    low = tuple(least for least, _ in soft)
    if sum(low) > snapshot.total:
        low = tuple(least for least, _ in hard)
    return Bounds(low, tuple(most for _, most in soft))


def _hard(one: CampaignState) -> tuple[int, int]:
    """Return the bounds that always hold."""
    least = one.committed if one.paused else max(one.committed, one.limits.floor)
    # Nobody can have more than all the money there is, so "no cap" becomes an ordinary number.
    most = one.limits.cap if one.limits.cap is not None else 2**62
    return least, max(least, min(most, one.budget) if one.paused else most)


def _stepped(one: CampaignState, least: int, most: int) -> tuple[int, int]:
    step = one.limits.step
    if step is None:
        return least, most
    return min(max(one.budget - step, least), most), max(min(one.budget + step, most), least)
