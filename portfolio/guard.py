"""A guard against oscillation: changes too small to matter are not made."""

from __future__ import annotations

from portfolio.allocation import Allocation, moves_between
from portfolio.apportion import Claim, apportion
from portfolio.bounds import bounds_of
from portfolio.snapshot import Snapshot


def steadied(snapshot: Snapshot, allocation: Allocation, least_move: float) -> Allocation:
    """Return the allocation without budget changes below `least_move` of the total.

    Campaigns that would change less keep what they have, where bounds allow; the others share the rest in proportion to
    what they were to get. If that does not add up, the allocation stays as it was.

    Args:
        snapshot: the snapshot that was allocated.
        allocation: allocation to steady.
        least_move: share of the total, at least 0; 0 leaves the allocation as it is.

    Returns:
        An allocation within the same bounds and with the same total.
    """
    bounds = bounds_of(snapshot)
    least = least_move * snapshot.total
    claims = []
    for one, low, high in zip(snapshot.campaigns, *bounds, strict=True):
        wanted = allocation.micros[one.id]
        if 0 < abs(wanted - one.budget) < least and low <= one.budget <= high:
            low = high = one.budget  # noqa: PLW2901 - it keeps what it has
        claims.append(Claim(one.id, float(wanted - one.committed), low, high, one.committed))
    if sum(claim.low for claim in claims) > snapshot.total:
        return allocation
    share = apportion(snapshot.total, claims)
    if share.unallocated > allocation.unallocated:
        return allocation
    micros = {claim.name: part for claim, part in zip(claims, share.micros, strict=True)}
    moves = moves_between(snapshot, micros, allocation.reasons)
    return Allocation(allocation.strategy, micros, share.unallocated, moves, allocation.reasons)
