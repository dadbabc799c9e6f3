"""Episodes to learn from: drawn by a seed, with budgets in their range, by count or by the clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.auction_log import EPISODE, Task
from simulation.daily import daily_task
from simulation.library import SHARES, EpisodeSource, Library
from tests.simulation.logs import task
from tests.support import examples

_TASKS = [task(seed, episode=200, episodes=4) for seed in (1, 2, 3)]
_COUNTED = Library([EpisodeSource(made, made.before) for made in _TASKS])
_FLIGHTS = [daily_task(np.random.default_rng(seed), flights=1, auctions=300.0) for seed in (1, 2)]
_CLOCKED = Library.of_past(_FLIGHTS)
_SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=examples(20))
@given(seed=_SEEDS, library=st.sampled_from([_COUNTED, _CLOCKED]))
def test_draws_follow_the_seed(seed: int, library: Library) -> None:
    first, again, other = (library.sample(np.random.default_rng(seed + more), 8) for more in (0, 0, 1))
    for name in ("price", "pctr", "budget", "auctions", "cold"):
        assert getattr(first, name).tolist() == getattr(again, name).tolist()
    assert first.past.landscape.log_low.tolist() == again.past.landscape.log_low.tolist()
    assert first.budget.tolist() != other.budget.tolist()


@settings(max_examples=examples(20))
@given(seed=_SEEDS)
def test_an_episode_by_count_has_a_logged_ones_auctions_in_some_order(seed: int) -> None:
    drawn = _COUNTED.sample(np.random.default_rng(seed), 12)
    known = {tuple(sorted(price)): pctr for made in _TASKS for price, pctr in _logged(made)}
    for price, pctr in zip(drawn.price, drawn.pctr, strict=True):
        logged = known[tuple(sorted(price.tolist()))]
        np.testing.assert_allclose(np.sort(pctr / pctr.mean()), np.sort(logged) / np.mean(logged))  # but for its drift
    assert np.isnan(drawn.clock.hours).all()
    assert (drawn.auctions == 200.0).all()


def _logged(made: Task) -> list[tuple[list[float], list[float]]]:
    price, pctr = made.before.price, made.before.pctr
    return list(zip(price.reshape(-1, 200).tolist(), pctr.reshape(-1, 200).tolist(), strict=True))


@settings(max_examples=examples(20))
@given(seed=_SEEDS)
def test_a_flight_keeps_the_order_and_the_hours_of_its_auctions(seed: int) -> None:
    drawn = _CLOCKED.sample(np.random.default_rng(seed), 8)
    assert (drawn.clock.hours == 24.0).all()
    assert (drawn.clock.traffic == 300.0 / 24.0).all()
    assert (np.diff(drawn.clock.hour, axis=1) >= 0.0).all()
    logged = {price: hour for made in _FLIGHTS for price, hour in _starts(made)}
    for row, price in enumerate(drawn.price):
        there = np.isfinite(price)
        assert (np.diff(there.astype(int)) <= 0).all()  # what fills it up comes last
        assert (drawn.pctr[row, ~there] == 0.0).all()
        assert drawn.clock.hour[row, 0] == logged[tuple(price[:20].tolist())]
    assert np.isfinite(drawn.price[:, -1]).any()  # and is no more than one of them needs


def _starts(made: Task) -> list[tuple[tuple[float, ...], float]]:
    """First prices of each day of a past, and its first hour."""
    rows = made.before
    firsts = np.flatnonzero(np.diff(np.floor((rows.hour - rows.hour[0]) / 24.0), prepend=-1.0))
    return [(tuple(rows.price[first : first + 20].tolist()), float(rows.hour[first])) for first in firsts]


@settings(max_examples=examples(20))
@given(seed=_SEEDS, shares=st.sampled_from([(1 / 64, 1 / 2), (1 / 8, 1 / 4), (1 / 16, 1 / 16)]))
def test_budgets_are_within_their_shares(seed: int, shares: tuple[float, float]) -> None:
    drawn = Library.of_past(_TASKS[:1]).sample(np.random.default_rng(seed), 30, shares)
    whole = _TASKS[0].totals.mean_price * 200
    assert (drawn.budget >= np.floor(shares[0] * whole * (1 - 1e-9))).all()
    assert (drawn.budget <= shares[1] * whole * (1 + 1e-9)).all()
    assert (drawn.budget == np.floor(drawn.budget)).all()


def test_a_long_stream_is_cut_into_common_episodes_and_few_rows_make_none() -> None:
    stream = replace(task(1, episode=2_500, episodes=1), episode=10**6)
    source = EpisodeSource(stream, stream.before)
    assert (source.episode, source.episodes.price.shape) == (EPISODE, (3, EPISODE))
    short = EpisodeSource(stream, stream.before.part(0, 1_200))
    assert len(short) == 1  # the rest of 200 is no episode


def test_beliefs_of_prices_and_of_pctrs_are_off() -> None:
    source = EpisodeSource(_TASKS[0], _TASKS[0].before)
    drawn = Library([source]).sample(np.random.default_rng(1), 400)
    price = np.log(drawn.past.price / _TASKS[0].before.price.mean())
    pctr = np.log(drawn.past.pctr / _TASKS[0].before.pctr.mean())
    np.testing.assert_allclose(drawn.past.landscape.log_low - source.past.landscape.log_low[0], price - pctr)
    assert price.std() == pytest.approx(0.2, rel=0.2)
    assert pctr.std() == pytest.approx(0.5, rel=0.2)
    assert abs(np.corrcoef(price, pctr)[0, 1]) < 0.2
    assert 0.1 < drawn.cold.mean() < 0.3


def test_a_past_is_played_by_who_knows_its_other_half() -> None:
    made = task(1, episode=200, episodes=4)
    first, second = made.before.part(0, 400), made.before.part(400)
    known = {float(first.price.mean()): first, float(second.price.mean()): second}
    for source in Library.of_past([made])._sources:
        own = known[float(source.past.price[0])]
        assert set(source.episodes.price.ravel()) != set(own.price)
        other = second if own is first else first
        assert source.episodes.price.ravel().tolist() == other.price.tolist()


def test_a_loop_warms_up_on_the_episode_before() -> None:
    source = EpisodeSource(_TASKS[0], _TASKS[0].before)
    drawn = Library([source]).sample(np.random.default_rng(3), 40)
    logged = [sorted(row) for row in source.episodes.price.tolist()]
    for now, before in zip(drawn.price.tolist(), drawn.price_before.tolist(), strict=True):
        assert logged.index(sorted(before)) == max(logged.index(sorted(now)) - 1, 0)


def test_the_day_that_is_compared_is_that_of_the_nearest_budget() -> None:
    source = EpisodeSource(_FLIGHTS[0], _FLIGHTS[0].before)
    drawn = Library([source]).sample(np.random.default_rng(1), 1, (0.26, 0.26))
    nearest = source.past.take([SHARES.index(1 / 4)])
    assert drawn.past.profile.factor.tolist() == nearest.profile.factor.tolist()
    assert drawn.past.profile.factor.tolist() != source.past.take([0]).profile.factor.tolist()


def test_count_and_clock_do_not_mix_and_nothing_is_no_library() -> None:
    with pytest.raises(ValueError, match="not both"):
        Library.of_past([_TASKS[0], _FLIGHTS[0]])
    with pytest.raises(ValueError, match="needs a campaign"):
        Library([])
