"""The surplus comparison of first-price backtests: its jobs and its figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from simulation import shading
from simulation.auction_log import read_task
from simulation.backtest.figures import TOTAL, interval

Floats = npt.NDArray[np.float64]

KEY = "shading"
"""Key of these figures in the last line's JSON."""

_UNIT = 1e6  # micros


@dataclass(frozen=True)
class SurplusJob:
    """One campaign played by every bidder of `simulation.shading`.

    Attributes:
        folder: folder of the log.
        campaign: name of the campaign.
        factor: value of a click, as a multiple of the training days' cost per click.
    """

    folder: Path
    campaign: str
    factor: float


@dataclass(frozen=True)
class Surplus:
    """The results of a bidder in one campaign.

    Attributes:
        campaign: name of the campaign.
        bidder: name of the bidder.
        factor: value of a click, see `SurplusJob`.
        came: results by part.
        most: surplus of the clairvoyant by part, shape `(parts,)`, micros.
    """

    campaign: str
    bidder: str
    factor: float
    came: shading.Shaded
    most: Floats


@dataclass(frozen=True)
class SurplusFigures:
    """The figures of a bidder in one campaign or summed over all; amounts in units of money.

    Attributes:
        campaign: name, or `TOTAL`.
        bidder: name.
        factor: value of a click, see `SurplusJob`.
        surplus: value minus cost of the impressions won.
        surplus_share: share of the clairvoyant's surplus.
        surplus_share_low: lower end of its 95% bootstrap interval over parts of a thousand auctions.
        surplus_share_high: upper end of that interval.
        win_rate: share of all auctions won.
        wins: impressions won.
        value: value of the impressions won.
        cost: cost of the impressions won.
    """

    campaign: str
    bidder: str
    factor: float
    surplus: float
    surplus_share: float
    surplus_share_low: float | None
    surplus_share_high: float | None
    win_rate: float
    wins: int
    value: float
    cost: float


def play_job(job: SurplusJob) -> list[Surplus]:
    """Play one job.

    Raises:
        LogError: the log cannot be read.
    """
    task = read_task(job.folder, job.campaign)
    came = shading.play(task, job.factor)
    most = came[shading.CLAIRVOYANT].surplus
    return [Surplus(task.name, bidder, job.factor, one, most) for bidder, one in came.items()]


def figures_of(results: Sequence[Surplus]) -> list[SurplusFigures]:
    """Return figures by campaign and bidder, and by bidder summed over campaigns."""
    bidders = dict.fromkeys(result.bidder for result in results)
    sums = (_figures(TOTAL, [result for result in results if result.bidder == bidder]) for bidder in bidders)
    return [*(_figures(result.campaign, [result]) for result in results), *sums]


def as_json(figures: Iterable[SurplusFigures]) -> dict[str, dict[str, object]]:
    """Return `{bidder: {surplus, surplus_share, ..., campaigns: {campaign: {surplus, surplus_share, win_rate}}}}`."""
    tree: dict[str, dict[str, object]] = {}
    campaigns: dict[str, dict[str, dict[str, float]]] = {}
    for one in figures:
        told = {
            "surplus": round(one.surplus, 3),
            "surplus_share": round(one.surplus_share, 5),
            "win_rate": round(one.win_rate, 5),
        }
        if one.campaign != TOTAL:
            campaigns.setdefault(one.bidder, {})[one.campaign] = told
            continue
        bounds = {
            "surplus_share_low": None if one.surplus_share_low is None else round(one.surplus_share_low, 5),
            "surplus_share_high": None if one.surplus_share_high is None else round(one.surplus_share_high, 5),
        }
        sums = {"wins": one.wins, "value": round(one.value, 3), "cost": round(one.cost, 3)}
        tree[one.bidder] = {**told, **bounds, **sums}
    return {bidder: {**sums, "campaigns": campaigns[bidder]} for bidder, sums in tree.items()}


def _figures(campaign: str, results: Sequence[Surplus]) -> SurplusFigures:
    results = sorted(results, key=lambda result: result.campaign)  # so that each bidder's bootstrap draws the same
    surplus, value, wins, auctions, most = (
        sum(float(part.sum()) for part in parts)
        for parts in zip(
            *((r.came.surplus, r.came.value, r.came.wins, r.came.auctions, r.most) for r in results), strict=True
        )
    )
    low, high = interval([(result.came.surplus, result.most) for result in results])
    return SurplusFigures(
        campaign=campaign,
        bidder=results[0].bidder,
        factor=results[0].factor,
        surplus=surplus / _UNIT,
        surplus_share=surplus / most if most > 0 else 0.0,
        surplus_share_low=low,
        surplus_share_high=high,
        win_rate=wins / auctions,
        wins=int(wins),
        value=value / _UNIT,
        cost=(value - surplus) / _UNIT,
    )
