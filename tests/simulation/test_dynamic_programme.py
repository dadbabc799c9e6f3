"""The fast table is the plain recursion, and bids follow it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.dynamic_programme import MAX_CELLS, Programme, TableTooLarge, table_size, task_table, value_table
from tests.simulation.logs import moment, task, totals
from tests.support import examples

SEEDS = st.integers(0, 2**32 - 1)


def plainly(chance: np.ndarray, ctr: float, auctions: int, budget: int) -> list[list[float]]:
    """Compute the recursion as it is defined, one sum at a time."""
    table = [[0.0] * (budget + 1)]
    for _ in range(1, auctions):
        last = table[-1]
        row = [0.0]
        for b in range(1, budget + 1):
            gains = [ctr + last[b - d] - last[b] for d in range(min(b, len(chance) - 1) + 1)]
            stop = next((d for d, gain in enumerate(gains) if gain < 0), len(gains))
            row.append(last[b] + sum(chance[d] * gains[d] for d in range(stop)))
        table.append(row)
    return table


@settings(max_examples=examples(40))
@given(seed=SEEDS, prices=st.integers(2, 12), budget=st.integers(0, 40))
def test_the_table_is_the_recursion(seed: int, prices: int, budget: int) -> None:
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet(np.full(prices, 0.4))
    table = value_table(chance, 0.01, 15, budget)
    np.testing.assert_allclose(table, plainly(chance, 0.01, 15, budget), rtol=1e-9, atol=1e-14)


@settings(max_examples=examples(40))
@given(seed=SEEDS)
def test_more_money_and_more_auctions_are_never_worth_less(seed: int) -> None:
    chance = np.random.default_rng(seed).dirichlet(np.full(20, 0.5))
    table = value_table(chance, 0.01, 30, 100)
    assert (np.diff(table, axis=1) >= -1e-15).all()
    assert (np.diff(table, axis=0) >= -1e-15).all()
    assert (table <= 0.01 * np.arange(30)[:, None] + 1e-12).all()


def test_by_hand() -> None:
    chance = np.array([0.0, 0.5, 0.5])  # a price is 1 or 2
    table = value_table(chance, 0.1, 3, 3)
    # One auction left: 1 buys the half that costs 1, 2 buys any. Two left with 2: one can be had at any price, or two
    # at 1 each; paying 2 now leaves nothing, whose loss V[1][2] = 0.1 the click just makes up for.
    np.testing.assert_allclose(table[1], [0.0, 0.05, 0.1, 0.1])
    np.testing.assert_allclose(table[2], [0.0, 0.075, 0.1 + 0.5 * 0.05, 0.1 + 0.5 * 0.1 + 0.5 * 0.05])


def test_bids_go_up_to_where_keeping_the_money_is_better() -> None:
    table = value_table(np.array([0.0, 0.5, 0.5]), 0.1, 3, 3)
    own, average = Programme(table, None), Programme(table, 0.1)
    left = np.array([2.0, 2.0, 2.0, 0.0])
    # With two auctions left, V[1] = 0, .05, .1: 1 costs .05 of the future, 2 costs .1 of it.
    assert own.bids(np.array([[0.04], [0.07], [0.1], [0.1]]), left, moment(2, 4))[:, 0].tolist() == [0.0, 1.0, 2.0, 0.0]
    assert average.bids(np.array([[0.04], [0.07], [0.2], [0.1]]), left, moment(2, 4))[:, 0].tolist() == [
        2.0,
        2.0,
        2.0,
        0.0,
    ]


@settings(max_examples=examples(40))
@given(seed=SEEDS, left=st.integers(0, 100), n=st.integers(1, 30))
def test_bids_are_those_of_the_plain_rule(seed: int, left: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    table = value_table(rng.dirichlet(np.full(30, 0.5)), 0.01, 30, 100)
    pctr = float(rng.exponential(0.01))
    value, bid = table[n - 1], 0
    for d in range(1, min(left, 300) + 1):
        if pctr + (value[left - d] - value[left]) < 0:
            break
        bid = d
    assert Programme(table, None).bids(np.array([[pctr]]), np.array([float(left)]), moment(n))[0, 0] == bid


def test_a_longer_episode_is_scaled_to_the_table() -> None:
    table = value_table(np.full(20, 0.05), 0.01, 30, 100)
    bidder, pctr = Programme(table, None), np.array([[0.01]])
    assert (
        bidder.bids(pctr, np.array([5_000.0]), moment(3_000))[0, 0]
        == bidder.bids(pctr, np.array([50.0]), moment(30))[0, 0]
    )


@pytest.mark.parametrize("budget", [0, 1])
def test_hardly_any_budget(budget: int) -> None:
    assert value_table(np.full(5, 0.2), 0.01, 4, budget).shape == (4, budget + 1)


def test_the_size_is_known_before_and_bounded() -> None:
    made = task(3)
    size = table_size(made.totals, made.episode, 1 / 8)
    assert task_table(made, 1 / 8).shape == (size.auctions, size.budget + 1) == (100, made.budget(1 / 8) + 1)
    assert table_size(totals(), 5_000, 0.5).budget == 2 * table_size(totals(), 1_000, 0.5).budget
    with pytest.raises(TableTooLarge, match=r"2\.1 GB.*smaller --budgets"):
        value_table(np.ones(3) / 3, 0.01, 1_000, MAX_CELLS // 1_000 + 1)
