"""Simulated campaigns with flights by the clock, in days with a pattern that a forecast can exploit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from simulation.auction_log import MAX_PRICE, Rows, Task, Totals
from simulation.sample_logs import sample_rows, sample_world

Ints = npt.NDArray[np.int64]

_PAST_DAYS = 5


def daily_task(
    rng: np.random.Generator, *, flights: int, hours: float = 24.0, auctions: float = 1_000.0, daily: bool = True
) -> Task:
    """Simulate a campaign whose budget lasts this many hours, with some past days and flights to bid in.

    Args:
        rng: generator for the market and all auctions.
        flights: number of flights to bid in.
        hours: length of a flight.
        auctions: usual number of auctions in a flight.
        daily: whether prices and traffic follow the time of day.
    """
    rate = auctions / hours
    world = replace(sample_world(rng), auctions_per_hour=rate, daily_traffic=float(rng.uniform(0.5, 0.85)))
    if not daily:
        world = replace(world, daily_price=0.0, daily_traffic=0.0)
    past = max(24.0 * _PAST_DAYS, 4.0 * hours)
    rows = sample_rows(world, int(rate * (past + flights * hours) * 1.5) + 100, rng)
    begin, end = np.searchsorted(rows.hour, [past, past + flights * hours]).tolist()
    before = rows.part(0, begin)
    return Task("daily", totals_of(before), before, rows.part(begin, end), round(auctions), hours)


def totals_of(rows: Rows) -> Totals:
    """Return the totals that a campaign's info file would have for these rows."""
    return Totals(
        imp_train=len(rows),
        clk_train=max(1, int(rows.click.sum())),
        cost_train=max(1, int(rows.price.sum())),
        price_counter_train=np.bincount(rows.price.astype(np.int64), minlength=MAX_PRICE + 1).tolist(),
    )
