"""Bidding again in logged auctions: what a bidder wins in each episode, and what hindsight would have bought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtb.pacing.landscape import Kind
from simulation.auction_log import Task
from simulation.bidder import Bidder
from simulation.clearing import clear
from simulation.cut import clock_of, cut
from simulation.optimum import hindsight

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CURVE = 40
"""Number of points of a spend curve."""


@dataclass(frozen=True)
class Played:
    """A bidder's results; every field but `curve` has shape `(episodes,)`.

    Attributes:
        clicks: clicks on impressions won.
        value: sum of the pCTRs of impressions won.
        cost: sum of their CPM prices; an impression costs a thousandth of its price.
        wins: impressions won.
        curve: mean share of the budget spent, at `CURVE` evenly spaced times, the last one at the end.
    """

    clicks: Ints
    value: Floats
    cost: Floats
    wins: Ints
    curve: Floats


def play(bidder: Bidder, task: Task, share: float, kind: Kind = "second") -> Played:
    """Bid in a campaign's evaluation auctions, with the budget refilled for each episode.

    Args:
        bidder: bidder made for this campaign and budget.
        task: the campaign.
        share: budget as a share of what an episode's auctions cost on average.
        kind: second price, or first price against the same market prices.
    """
    price, pctr, click, _ = episodes = cut(task.after, task.episode, task.hours)
    clock = clock_of(task, episodes)
    alone = bidder.remembers or task.hours > 0.0  # by the clock, every flight is at another position
    runs = [np.array([i]) for i in range(len(price))] if alone else [np.arange(len(price))]
    won, paid = np.zeros(price.shape, np.bool_), np.zeros(price.shape)
    bidder.begin(len(runs[0]))
    for rows in runs:
        left, watch = np.full(len(rows), float(task.budget(share))), clock.take(rows)
        for start in range(0, price.shape[1], bidder.step):
            now = slice(start, start + bidder.step)
            bids = bidder.bids(pctr[rows, now], left, watch.at(start))
            cleared = clear(bids, price[rows, now], left, kind)
            bidder.learn(pctr[rows, now], cleared)
            won[rows, now], paid[rows, now] = cleared
            left = left - cleared.paid.sum(axis=1)
    return Played(
        clicks=(click * won).sum(axis=1),
        value=(pctr * won).sum(axis=1),
        cost=paid.sum(axis=1),
        wins=won.sum(axis=1),
        curve=_curve(paid, float(task.budget(share))),
    )


def best_value(task: Task, share: float) -> Floats:
    """Return the most value that each episode's budget buys, shape `(episodes,)`; see `hindsight`."""
    price, pctr, _, _ = cut(task.after, task.episode, task.hours)
    there = np.isfinite(price)
    budget = np.full(len(price), float(task.budget(share)))
    best: Floats = hindsight(np.where(there, pctr, 0.0), np.where(there, np.maximum(price, 1e-6), 1.0), budget)[0]
    return best


def _curve(paid: Floats, budget: float) -> Floats:
    ends = np.linspace(0, paid.shape[1], CURVE + 1).astype(np.int64)[1:]
    spent: Floats = np.cumsum(paid.mean(axis=0))[ends - 1] / max(budget, 1.0)
    return spent
