"""Least and most that each campaign may get."""

from __future__ import annotations

from typing import NamedTuple

from portfolio.snapshot import CampaignState, Snapshot


class Bounds(NamedTuple):
    """Micros of each campaign, in the snapshot's order; `low <= high`."""

    low: tuple[int, ...]
    high: tuple[int, ...]


def bounds_of(snapshot: Snapshot) -> Bounds:
    """The bounds of one allocation.

    From the strongest: committed money stays; a floor holds, but not for paused campaigns; a cap holds; a paused
    campaign gets no more than it has; a step limit holds within all of these. Where the total is less than step limits
    would leave to everyone, money goes down faster than they allow: there is no other way to share out what there is.
    """
    hard = [_hard(one) for one in snapshot.campaigns]
    soft = [_stepped(one, *edges) for one, edges in zip(snapshot.campaigns, hard, strict=True)]
    low = tuple(least for least, _ in soft)
    if sum(low) > snapshot.total:
        low = tuple(least for least, _ in hard)
    return Bounds(low, tuple(most for _, most in soft))


def _hard(one: CampaignState) -> tuple[int, int]:
    """Bounds that nothing gives way to."""
    least = one.committed if one.paused else max(one.committed, one.limits.floor)
    # Nobody can have more than all the money there may be; no cap is then a number like any other.
    most = one.limits.cap if one.limits.cap is not None else 2**62
    return least, max(least, min(most, one.budget) if one.paused else most)


def _stepped(one: CampaignState, least: int, most: int) -> tuple[int, int]:
    step = one.limits.step
    if step is None:
        return least, most
    return min(max(one.budget - step, least), most), max(min(one.budget + step, most), least)
