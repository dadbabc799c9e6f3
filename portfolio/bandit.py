"""Allocation by Thompson sampling: most money where returns look best, a part of it where they may be better.

Each campaign's return on spend has a Gamma posterior (`portfolio.returns`) over a memory that forgets, so what drifts
is tried again; Thompson sampling under drift by discounting is Raj and Kalyani, "Taming Non-stationary Bandits"
(arXiv 1707.09727). An arm here is not played or left: `1 - explore_rate` of the movable money is shared out best by the
expected returns, the rest best by returns drawn from the posteriors, both under diminishing returns
(`portfolio.response`).
"""

from __future__ import annotations

import numpy as np

from portfolio.allocation import Allocation, share_out
from portfolio.bounds import bounds_of
from portfolio.response import best_share, curves_of, movable
from portfolio.returns import returns_of
from portfolio.snapshot import Snapshot


def allocate_bandit(snapshot: Snapshot, generator: np.random.Generator, explore_rate: float = 0.2) -> Allocation:
    """Share out the movable money by posteriors and a draw of them.

    One draw a campaign, in the order of their ids: the same generator state gives the same allocation.

    Args:
        snapshot: see there.
        generator: of the draws.
        explore_rate: part of the money that follows the draw, 0 to 1.

    Raises:
        InfeasibleBounds: see `portfolio.apportion`.
        ValueError: a rate outside 0 to 1.
    """
    if not 0.0 <= explore_rate <= 1.0:
        raise ValueError(f"explore_rate is {explore_rate!r}: give a part from 0 to 1")
    bounds = bounds_of(snapshot)
    returns = returns_of(snapshot)
    priority = np.array([one.weight for one in snapshot.campaigns], np.float64)
    valued = np.maximum(priority, 1e-12)
    drawn = np.maximum(generator.standard_gamma(returns.shape) / returns.rate, 1e-6 * returns.mean)
    low, high, total = movable(snapshot, bounds)
    target = np.zeros(len(low))
    for part, guess in ((1.0 - explore_rate, returns.mean), (explore_rate, drawn)):
        curves = curves_of(snapshot, guess * valued, returns.judged, returns.pooled)
        target += part * best_share(curves, low, high, total)
    target = np.where(priority > 0.0, target, 0.0)
    reasons = [
        f"a micro there brings in {mean:.3g}, drawn {draw:.3g}" for mean, draw in zip(returns.mean, drawn, strict=True)
    ]
    return share_out("bandit", snapshot, target.tolist(), reasons, bounds=bounds)
