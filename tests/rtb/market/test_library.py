"""Episodes to learn from: drawn by a seed, with budgets in their range, by count or by the clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.market.auction_log import EPISODE, Task
from rtb.market.daily import daily_task
from rtb.market.library import SHARES, Library, Source
from tests.rtb.market.logs import task

_TASKS = [task(seed, episode=200, episodes=4) for seed in (1, 2, 3)]
_COUNTED = Library.of_past(_TASKS)
_FLIGHTS = [daily_task(np.random.default_rng(seed), flights=1, auctions=300.0) for seed in (1, 2)]
_CLOCKED = Library.of_past(_FLIGHTS)
_SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=20, deadline=None)
@given(seed=_SEEDS, library=st.sampled_from([_COUNTED, _CLOCKED]))
def test_draws_follow_the_seed(seed: int, library: Library) -> None:
    first, again, other = (library.sample(np.random.default_rng(seed + more), 8) for more in (0, 0, 1))
    for name in ("price", "pctr", "budget", "auctions", "cold"):
        assert getattr(first, name).tolist() == getattr(again, name).tolist()
    assert first.past.landscape.log_low.tolist() == again.past.landscape.log_low.tolist()
    assert first.budget.tolist() != other.budget.tolist()


@settings(max_examples=20, deadline=None)
@given(seed=_SEEDS)
def test_an_episode_by_count_has_a_logged_ones_auctions_in_some_order(seed: int) -> None:
    drawn = _COUNTED.sample(np.random.default_rng(seed), 12)
    known = {tuple(sorted(zip(*rows, strict=True))) for made in _TASKS for rows in _logged(made)}
    for price, pctr in zip(drawn.price.tolist(), drawn.pctr.tolist(), strict=True):
        assert tuple(sorted(zip(price, pctr, strict=True))) in known
    assert np.isnan(drawn.clock.hours).all()
    assert (drawn.auctions == 200.0).all()


def _logged(made: Task) -> list[tuple[list[float], list[float]]]:
    price, pctr = made.before.price, made.before.pctr
    return list(zip(price.reshape(-1, 200).tolist(), pctr.reshape(-1, 200).tolist(), strict=True))


@settings(max_examples=20, deadline=None)
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


@settings(max_examples=20, deadline=None)
@given(seed=_SEEDS, shares=st.sampled_from([(1 / 64, 1 / 2), (1 / 8, 1 / 4), (1 / 16, 1 / 16)]))
def test_budgets_are_within_their_shares(seed: int, shares: tuple[float, float]) -> None:
    drawn = Library.of_past(_TASKS[:1]).sample(np.random.default_rng(seed), 30, shares)
    whole = _TASKS[0].totals.mean_price * 200
    assert (drawn.budget >= np.floor(shares[0] * whole * (1 - 1e-9))).all()
    assert (drawn.budget <= shares[1] * whole * (1 + 1e-9)).all()
    assert (drawn.budget == np.floor(drawn.budget)).all()


def test_a_long_stream_is_cut_into_common_episodes_and_few_rows_make_none() -> None:
    stream = replace(task(1, episode=2_500, episodes=1), episode=10**6)
    source = Source(stream, stream.before, is_past=True)
    assert (source.episode, source.episodes.price.shape) == (EPISODE, (3, EPISODE))
    short = Source(stream, stream.before.part(0, 1_200), is_past=True)
    assert len(short) == 1  # the rest of 200 is no episode


def test_beliefs_are_off_and_more_so_of_a_past() -> None:
    landscape = Source(_TASKS[0], _TASKS[0].before, is_past=True).past.landscape
    spreads = []
    for is_past in (True, False):
        library = Library([Source(_TASKS[0], _TASKS[0].before, is_past=is_past)])
        drawn = library.sample(np.random.default_rng(1), 400)
        off = drawn.past.landscape.log_low - landscape.log_low[0]
        np.testing.assert_allclose(drawn.past.price, np.exp(off) * _TASKS[0].before.price.mean())
        spreads.append(off.std())
        assert 0.2 < drawn.cold.mean() < 0.45
    assert spreads[0] == pytest.approx(3 * spreads[1], rel=0.2)


def test_the_day_that_is_compared_is_that_of_the_nearest_budget() -> None:
    source = Source(_FLIGHTS[0], _FLIGHTS[0].before, is_past=True)
    drawn = Library([source]).sample(np.random.default_rng(1), 1, (0.26, 0.26))
    nearest = source.past.take([SHARES.index(1 / 4)])
    assert drawn.past.profile.factor.tolist() == nearest.profile.factor.tolist()
    assert drawn.past.profile.factor.tolist() != source.past.take([0]).profile.factor.tolist()


def test_count_and_clock_do_not_mix_and_nothing_is_no_library() -> None:
    with pytest.raises(ValueError, match="not both"):
        Library.of_past([_TASKS[0], _FLIGHTS[0]])
    with pytest.raises(ValueError, match="needs a campaign"):
        Library([])
