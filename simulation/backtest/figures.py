"""Figures of a backtest from its episodes: sums, shares of hindsight's value, and confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulation.backtest.bench import BacktestResult

Floats = npt.NDArray[np.float64]

TOTAL = "all"
"""Campaign name of the figures summed over campaigns."""

_DRAWS = 2_000
_LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class BacktestFigures:
    """The figures of a bidder at one budget, in one campaign or summed over all.

    Attributes:
        campaign: name, or `TOTAL`.
        bidder: name.
        budget: label.
        clicks: clicks on impressions won.
        value: sum of the pCTRs of impressions won.
        value_share: value relative to what hindsight buys with the same budgets; in sums, large campaigns weigh more.
        value_share_low: lower end of its 95% bootstrap interval over episodes; `None` for one episode.
        value_share_high: upper end of that interval.
        value_share_mean: mean of the campaigns' shares, equally weighted.
        cost: cost of the impressions, in units of money: CPM / 1000.
        wins: impressions won.
        ecpc: cost per click, `None` without clicks.
    """

    campaign: str
    bidder: str
    budget: str
    clicks: int
    value: float
    value_share: float
    value_share_low: float | None
    value_share_high: float | None
    value_share_mean: float
    cost: float
    wins: int
    ecpc: float | None


def figures_of(results: Sequence[BacktestResult]) -> list[BacktestFigures]:
    """Return figures by campaign, bidder and budget, and by bidder and budget summed over campaigns."""
    found = [_figures(result.campaign, [result]) for result in results]
    keys = dict.fromkeys((result.bidder, result.budget) for result in results)
    for bidder, budget in keys:
        found.append(_figures(TOTAL, [r for r in results if (r.bidder, r.budget) == (bidder, budget)]))
    return found


def as_json(figures: Iterable[BacktestFigures]) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """Return the sums over campaigns as `{bidder: {budget: {clicks, value, ...}}}`."""
    tree: dict[str, dict[str, dict[str, float | int | None]]] = {}
    for one in figures:
        if one.campaign == TOTAL:
            tree.setdefault(one.bidder, {})[one.budget] = {
                "clicks": one.clicks,
                "value": round(one.value, 6),
                "value_share": round(one.value_share, 5),
                "value_share_low": _rounded(one.value_share_low),
                "value_share_high": _rounded(one.value_share_high),
                "value_share_mean": round(one.value_share_mean, 5),
                "cost": round(one.cost, 3),
                "wins": one.wins,
                "ecpc": _rounded(one.ecpc),
            }
    return tree


def _figures(campaign: str, results: Sequence[BacktestResult]) -> BacktestFigures:
    # Sorted by name, so that every bidder's bootstrap draws the same episodes.
    results = sorted(results, key=lambda result: result.campaign)
    played = [result.played for result in results]
    clicks = sum(int(p.clicks.sum()) for p in played)
    cost = sum(float(p.cost.sum()) for p in played) / 1_000.0
    low, high = interval([(result.played.value, result.best) for result in results])
    return BacktestFigures(
        campaign=campaign,
        bidder=results[0].bidder,
        budget=results[0].budget,
        clicks=clicks,
        value=sum(float(p.value.sum()) for p in played),
        value_share=_share(results),
        value_share_low=low,
        value_share_high=high,
        value_share_mean=float(np.mean([_share([result]) for result in results])),
        cost=cost,
        wins=sum(int(p.wins.sum()) for p in played),
        ecpc=cost / clicks if clicks else None,
    )


def _share(results: Sequence[BacktestResult]) -> float:
    best = sum(float(result.best.sum()) for result in results)
    return sum(float(result.played.value.sum()) for result in results) / best if best > 0 else 0.0


def interval(parts: Sequence[tuple[Floats, Floats]]) -> tuple[float | None, float | None]:
    """Return the 95% bootstrap interval of the share, drawing as many episodes of each campaign as it has.

    Args:
        parts: values won and values of the whole, by episode, shape `(episodes,)` each, for each campaign.
    """
    rng = np.random.default_rng(0)
    came, whole = np.zeros(_DRAWS), np.zeros(_DRAWS)
    for won, most in parts:
        drawn = rng.integers(len(most), size=(_DRAWS, len(most)))
        came += won[drawn].sum(axis=1)
        whole += most[drawn].sum(axis=1)
    if max(len(most) for _, most in parts) < 2:
        return None, None
    low, high = np.percentile(came / np.maximum(whole, 1e-12), _LEVELS)
    return float(low), float(high)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
