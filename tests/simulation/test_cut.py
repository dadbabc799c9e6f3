"""A log cut into episodes is the log: nothing is lost, and what fills an episode up is never won."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulation.auction_log import Rows
from simulation.clearing import clear
from simulation.cut import Cut, clock_of, cut, past
from simulation.replay import best_value
from tests.simulation.logs import task


def _log(seed: int, count: int) -> Rows:
    rng = np.random.default_rng(seed)
    hour = np.sort(rng.uniform(0.0, 40.0, count)) + rng.uniform(0, 100)
    return Rows(rng.integers(0, 2, count), rng.integers(0, 300, count).astype(float), rng.uniform(0, 0.1, count), hour)


_LOGS = st.builds(_log, st.integers(0, 2**32 - 1), st.integers(1, 120))


def _is_the_log(made: Cut, rows: Rows) -> None:
    there = np.isfinite(made.price)
    for name in ("price", "pctr", "click", "hour"):
        assert getattr(made, name)[there].tolist() == getattr(rows, name).tolist()
    assert (made.pctr[~there] == 0.0).all()
    assert (made.click[~there] == 0).all()
    won = clear(np.full(made.price.shape, 1e9), made.price, np.full(len(made.price), 1e12)).won
    assert (won == there).all()


@given(_LOGS, st.integers(1, 150))
def test_by_count_nothing_is_lost(rows: Rows, episode: int) -> None:
    made = cut(rows, episode)
    _is_the_log(made, rows)
    assert made.price.shape == (-(-len(rows) // episode), episode)
    assert np.isfinite(made.price[:-1]).all()  # the last one may be short, and no other


@given(_LOGS, st.sampled_from([0.5, 3.0, 24.0, 100.0]))
def test_by_the_clock_nothing_is_lost_and_no_flight_is_longer(rows: Rows, hours: float) -> None:
    made = cut(rows, 1, hours)
    _is_the_log(made, rows)
    there = np.isfinite(made.price)
    flight = np.floor((made.hour - rows.hour[0]) / hours)
    for row, (here, own) in enumerate(zip(there, flight, strict=True)):
        assert (own[here] == row).all()
    assert (np.diff(made.hour, axis=1) >= 0.0)[there.any(axis=1)].all()


def test_a_clock_is_of_the_tasks_kind() -> None:
    made_up = task(1, episode=50, episodes=2)
    assert np.isnan(clock_of(made_up, cut(made_up.after, 50)).hours).all()
    daily = replace(made_up, hours=12.0, episode=60)
    clock = clock_of(daily, cut(daily.after, 60, 12.0))
    assert (clock.hours == 12.0).all()
    assert (clock.traffic == 5.0).all()


def test_the_past_is_what_comes_before() -> None:
    made_up = task(1, episode=50, episodes=3)
    assert past(made_up).price.ravel().tolist() == made_up.before.price.tolist()
    assert past(replace(made_up, episode=1_000)).price.shape == (1, 150)


def test_hindsight_of_a_flight_buys_nothing_of_what_fills_it_up() -> None:
    made_up = replace(task(1, episode=50, episodes=3), hours=0.005)
    episodes = cut(made_up.after, 50, 0.005)
    assert np.isinf(episodes.price).any()
    assert (best_value(made_up, 100.0) <= episodes.pctr.sum(axis=1) + 1e-12).all()
