"""Allocation by performance: uncommitted money is shared out by priority times recent performance."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from portfolio.allocation import Allocation, share_out
from portfolio.returns import is_judged, returns_of
from portfolio.snapshot import Snapshot

Metric = Literal["roi", "ctr", "conversions"]
METRICS: tuple[Metric, ...] = get_args(Metric)
"""Measures of performance: value per spend, clicks per impression, conversions per spend."""

PRIOR_COUNT = 2.0
"""Clicks or conversions that the portfolio's average counts for, added to a campaign's own."""

Floats = npt.NDArray[np.float64]


def allocate_by_performance(snapshot: Snapshot, metric: Metric = "roi") -> Allocation:
    """Allocate movable money in proportion to weight times metric.

    The metric is shrunk to the portfolio's average, by `PRIOR_COUNT` events, and entirely below the least spend: a cold
    campaign gets what an average one gets.

    Args:
        snapshot: the portfolio.
        metric: one of `METRICS`.

    Raises:
        InfeasibleBounds: see `portfolio.apportion`.
        ValueError: unknown metric.
    """
    figures = score(snapshot, metric)
    reasons = [_reason(one.id, figure, metric) for one, figure in zip(snapshot.campaigns, figures, strict=True)]
    weights = [one.weight * float(figure) for one, figure in zip(snapshot.campaigns, figures, strict=True)]
    return share_out("performance", snapshot, weights, reasons)


def score(snapshot: Snapshot, metric: Metric) -> Floats:
    """Return each campaign's metric relative to the portfolio's, shrunk towards 1, shape `(n,)`."""
    if metric == "roi":
        returns = returns_of(snapshot)
        relative: Floats = returns.mean / returns.pooled
        return relative
    if metric == "ctr":
        return _shrunk(snapshot, "clicks", "impressions")
    if metric == "conversions":
        return _shrunk(snapshot, "conversions", "spend")
    raise ValueError(f"no metric {metric!r}: there are {', '.join(METRICS)}")


def _shrunk(snapshot: Snapshot, counted: str, by: str) -> Floats:
    """Return counts by exposure under a Gamma prior around the pooled rate, relative to that rate."""
    count = np.array([getattr(one.memory, counted) for one in snapshot.campaigns], np.float64)
    exposure = np.array([getattr(one.memory, by) for one in snapshot.campaigns], np.float64)
    if count.sum() <= 0.0 or exposure.sum() <= 0.0:
        return np.ones(len(count))
    pooled = count.sum() / exposure.sum()
    judged = np.array([is_judged(one) for one in snapshot.campaigns], np.bool_)
    count, exposure = np.where(judged, count, 0.0), np.where(judged, exposure, 0.0)
    relative: Floats = (PRIOR_COUNT + count) / (PRIOR_COUNT + pooled * exposure)
    return relative


def _reason(name: str, figure: float, metric: Metric) -> str:
    told = {"roi": "return on spend", "ctr": "click rate", "conversions": "conversions for the money"}[metric]
    return f"its {told} is {figure:.2f} times the portfolio's"
