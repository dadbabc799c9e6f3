"""Allocation by Thompson sampling: most money where returns look best, some where they may be better.

Each campaign's return on spend has a Gamma posterior (`portfolio.returns`) over a memory that forgets, so campaigns are
tried again as returns drift; discounting for Thompson sampling under drift is by Raj and Kalyani, "Taming
Non-stationary Bandits" (arXiv 1707.09727). An arm is not simply played or not: `1 - explore_rate` of the movable money
is shared out optimally for the expected returns, the rest optimally for returns drawn from the posteriors, both under
diminishing returns (`portfolio.response`).
"""

from __future__ import annotations

import numpy as np

from portfolio.allocation import Allocation, share_out
from portfolio.bounds import bounds_of
from portfolio.response import best_share, curves_of, movable
from portfolio.returns import returns_of
from portfolio.snapshot import Snapshot


def allocate_bandit(snapshot: Snapshot, generator: np.random.Generator, explore_rate: float = 0.2) -> Allocation:
    """Share out the movable money by the posteriors and one draw from them.

    There is one draw per campaign, in the order of their ids: the same generator state gives the same allocation.

    Args:
        snapshot: the portfolio.
        generator: generator for the draws.
        explore_rate: share of the money that follows the draws, 0 to 1.

    Raises:
        InfeasibleBounds: see `portfolio.apportion`.
        ValueError: the rate is outside 0 to 1.
    """
    if not 0.0 <= explore_rate <= 1.0:
        raise ValueError(f"explore_rate is {explore_rate!r}: give a share from 0 to 1")
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
