"""Proportional allocation: the total is shared out by the advertiser's priorities alone."""

from __future__ import annotations

from portfolio.allocation import Allocation, share_out
from portfolio.snapshot import Snapshot


def allocate_proportional(snapshot: Snapshot) -> Allocation:
    """Allocate in proportion to the weights, within bounds; committed money counts towards a campaign's part.

    Raises:
        InfeasibleBounds: see `portfolio.apportion`.
    """
    weights = [one.weight for one in snapshot.campaigns]
    reasons = [f"its priority is {one.weight:g}" for one in snapshot.campaigns]
    return share_out("proportional", snapshot, weights, reasons, of_movable=False)
