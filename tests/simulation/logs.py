"""Small made-up campaigns to bid in."""

from __future__ import annotations

import numpy as np

from rtb.pacing.moment import Moment
from simulation.auction_log import MAX_PRICE, Rows, Task, Totals
from simulation.sample_logs import World, sample_rows


def rows(price: list[float], pctr: list[float], click: list[int] | None = None) -> Rows:
    clicks = np.array(click or [0] * len(price), np.int64)
    return Rows(clicks, np.array(price, np.float64), np.array(pctr, np.float64), np.zeros(len(price)))


def moment(auctions_left: float, lanes: int = 1) -> Moment:
    """Build a moment by count; nobody knows the hour."""
    every = np.ones(lanes)
    return Moment(every * auctions_left, every, np.zeros(lanes), every * np.nan)


def totals(*, impressions: int = 1_000, clicks: int = 10, cost: int = 50_000) -> Totals:
    counter = [0] * (MAX_PRICE + 1)
    counter[50] = impressions
    return Totals(impressions, clicks, cost, counter)


def task(seed: int, *, episode: int = 100, episodes: int = 6, world: World | None = None) -> Task:
    """Build the task of a made-up campaign: as many auctions before as after."""
    rng = np.random.default_rng(seed)
    drawn = sample_rows(world or World(ctr=0.01), 2 * episode * episodes, rng)
    before, after = drawn.part(0, episode * episodes), drawn.part(episode * episodes)
    counter = np.bincount(before.price.astype(int), minlength=MAX_PRICE + 1)
    sums = Totals(len(before), max(1, int(before.click.sum())), int(before.price.sum()), counter.tolist())
    return Task("made-up", sums, before, after, episode)
