"""Made-up logs have what they promise: the day, the tails, the piles, and the same again from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.sample_logs import World, sample_rows, sample_world


def test_prices_and_traffic_follow_the_day() -> None:
    world = World(daily_price=0.4, daily_traffic=0.7, drift=0.0, auctions_per_hour=2_000.0)
    rows = sample_rows(world, 96_000, np.random.default_rng(0))
    hour = rows.hour.astype(int) % 24
    price = np.array([np.log(rows.price[hour == h]).mean() for h in range(24)])
    assert price[6] - price[18] > 0.5
    traffic = np.bincount(hour, minlength=24)
    assert traffic[12] > 2 * traffic[0]


def test_tails_piles_and_clicks() -> None:
    world = World(floors=(37.0,), floor_share=0.2, ctr=0.02)
    rows = sample_rows(world, 200_000, np.random.default_rng(1))
    assert (rows.price == 37).mean() > 0.2
    assert rows.price.min() >= 1
    assert (rows.price == 300).mean() > 0.001
    assert rows.click.mean() == pytest.approx(0.02, rel=0.1)
    assert rows.pctr.mean() == pytest.approx(0.02, rel=0.1)
    assert rows.pctr[rows.click == 1].mean() > 1.5 * rows.pctr.mean()


def test_the_same_seed_draws_the_same() -> None:
    first, second = (sample_rows(sample_world(rng), 1_000, rng) for rng in map(np.random.default_rng, (7, 7)))
    assert first.price.tolist() == second.price.tolist()
    assert first.pctr.tolist() == second.pctr.tolist()
