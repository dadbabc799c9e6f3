"""An allocation: each campaign's new budget, and which money moves from whom to whom, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portfolio.apportion import Claim, apportion
from portfolio.bounds import Bounds, bounds_of
from portfolio.snapshot import Snapshot

RESERVE = ""
"""The source or target of money that belongs to no campaign."""


@dataclass(frozen=True)
class Move:
    """Money that moves from one budget to another.

    Attributes:
        source: the campaign that gives it, or `RESERVE`.
        target: the campaign that gets it, or `RESERVE`.
        micros: above 0.
        because: the reason, a sentence.
    """

    source: str
    target: str
    micros: int
    because: str

    def __str__(self) -> str:
        who = f"{self.source or 'the reserve'} to {self.target or 'the reserve'}"
        return f"{self.micros} micros from {who}, because {self.because}"


@dataclass(frozen=True)
class Allocation:
    """The decision of a strategy.

    Attributes:
        strategy: name of the strategy.
        micros: new budget of each campaign by id, committed money included.
        unallocated: micros that no campaign may take. Together with it the budgets add up to the snapshot's total.
        moves: moves from the old budgets to these.
        reasons: why each campaign got what it got, by id.
    """

    strategy: str
    micros: Mapping[str, int]
    unallocated: int
    moves: tuple[Move, ...]
    reasons: Mapping[str, str]

    @property
    def moved(self) -> int:
        """Micros that move."""
        return sum(move.micros for move in self.moves)


def share_out(
    strategy: str,
    snapshot: Snapshot,
    weights: Sequence[float],
    reasons: Sequence[str],
    *,
    of_movable: bool = True,
    bounds: Bounds | None = None,
) -> Allocation:
    """Return the allocation that follows from these weights.

    Args:
        strategy: name of the strategy.
        snapshot: the portfolio.
        weights: weight of each campaign, in the snapshot's order; those of paused campaigns do not count.
        reasons: reason of each campaign, in the same order.
        of_movable: share out only uncommitted money, on top of what each campaign has committed; else share out the
            total, where committed money counts towards a campaign's part.
        bounds: bounds of each campaign; none: `bounds_of` the snapshot.

    Raises:
        InfeasibleBounds: see `portfolio.apportion`.
    """
    bounds = bounds or bounds_of(snapshot)
    claims = [
        Claim(one.id, 0.0 if one.paused else weight, low, high, one.committed if of_movable else 0)
        for one, weight, low, high in zip(snapshot.campaigns, weights, bounds.low, bounds.high, strict=True)
    ]
    share = apportion(snapshot.total, claims)
    because = {
        one.id: "it is paused" if one.paused else reason
        for one, reason in zip(snapshot.campaigns, reasons, strict=True)
    }
    micros = {claim.name: part for claim, part in zip(claims, share.micros, strict=True)}
    return Allocation(strategy, micros, share.unallocated, moves_between(snapshot, micros, because), because)


def moves_between(snapshot: Snapshot, micros: Mapping[str, int], reasons: Mapping[str, str]) -> tuple[Move, ...]:
    """Return few, simple moves: the largest loser gives to the largest gainer, ties by id."""
    change = {one.id: micros[one.id] - one.budget for one in snapshot.campaigns}
    change[RESERVE] = -sum(change.values())
    givers = sorted(((-delta, name) for name, delta in change.items() if delta < 0), key=lambda one: (-one[0], one[1]))
    takers = sorted(((delta, name) for name, delta in change.items() if delta > 0), key=lambda one: (-one[0], one[1]))
    moves = []
    while givers and takers:
        (gives, source), (takes, target) = givers.pop(0), takers.pop(0)
        moved = min(gives, takes)
        moves.append(Move(source, target, moved, _because(source, target, reasons)))
        if gives > moved:
            givers.insert(0, (gives - moved, source))
        if takes > moved:
            takers.insert(0, (takes - moved, target))
    return tuple(moves)


def _because(source: str, target: str, reasons: Mapping[str, str]) -> str:
    if source == RESERVE:
        return f"no campaign had it, and for {target}: {reasons[target]}"
    if target == RESERVE:
        return f"for {source}: {reasons[source]}, and no other campaign may take it"
    return f"for {target}: {reasons[target]}; for {source}: {reasons[source]}"
