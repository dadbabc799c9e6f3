"""Made-up flights by the clock: as many as asked for, in days of a pattern or in days of none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.cut import cut
from simulation.daily import daily_task
from tests.support import examples


@settings(max_examples=examples(15))
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from([6.0, 24.0, 48.0]), st.booleans())
def test_there_are_so_many_flights_after_the_past(seed: int, flights: int, hours: float, daily: bool) -> None:
    task = daily_task(np.random.default_rng(seed), flights=flights, hours=hours, auctions=400.0, daily=daily)
    assert len(cut(task.after, task.episode, task.hours).price) == flights
    assert (task.hours, task.episode) == (hours, 400)
    past = max(120.0, 4 * hours)
    assert task.before.hour.max() < past <= task.after.hour.min()
    assert task.after.hour.max() < past + flights * hours
    assert task.totals.imp_train == len(task.before)
    assert task.totals.cost_train == task.before.price.sum()
    assert len(task.before) == pytest.approx(400.0 / hours * past, rel=0.35)


def _by_hour(daily: bool) -> tuple[float, float]:
    """How far traffic and median prices of the hours of the day are apart, as ratios, the mean of some markets."""
    traffic, prices = [], []
    for seed in range(4):
        task = daily_task(np.random.default_rng(seed), flights=1, auctions=10_000.0, daily=daily)
        hour = task.before.hour.astype(int) % 24
        count = np.bincount(hour, minlength=24)
        price = np.array([np.median(task.before.price[hour == of_day]) for of_day in range(24)])
        traffic.append(count.max() / count.min())
        prices.append(price.max() / price.min())
    return float(np.mean(traffic)), float(np.mean(prices))


def test_prices_and_traffic_follow_the_time_of_day_where_they_should() -> None:
    (daily_traffic, daily_price), (flat_traffic, flat_price) = _by_hour(True), _by_hour(False)
    assert daily_traffic > 3.0
    assert flat_traffic < 1.3
    assert daily_price > flat_price
