"""The yardsticks: hindsight bounds every bidder, and nobody ranks better than the truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.optimum import auc, bayes_auc, expected_auc, hindsight, shadow_level

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, least=st.sampled_from([0.0, 1.0]))
def test_hindsight_bounds_the_best_choice(seed: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    value, price = rng.integers(1, 50, 8), rng.integers(1, 50, 8)
    budget = int(rng.integers(1, 200))
    bound, spend = hindsight(value, price, [budget], least_ratio=least)[:, 0]
    allowed = value >= least * price
    best = max(
        sum(value[list(chosen)])
        for size in range(9)
        for chosen in itertools.combinations(np.flatnonzero(allowed), size)
        if sum(price[list(chosen)]) <= budget
    )
    assert best - 1e-9 <= bound < best + value.max() + 1e-9
    assert spend <= budget + 1e-9


@given(seed=SEEDS)
def test_worthwhile_hindsight_has_the_most_surplus(seed: int) -> None:
    rng = np.random.default_rng(seed)
    value, price = rng.integers(1, 50, 8), rng.integers(1, 50, 8)
    budget = int(rng.integers(1, 200))
    bound, spend = hindsight(value, price, [budget], least_ratio=1.0)[:, 0]
    best = max(
        sum(value[list(chosen)]) - sum(price[list(chosen)])
        for size in range(9)
        for chosen in itertools.combinations(range(8), size)
        if sum(price[list(chosen)]) <= budget
    )
    assert bound - spend >= best - 1e-9


def test_hindsight_by_hand() -> None:
    value, price = [[10.0, 6.0, 4.0], [1.0, 1.0, 1.0]], [[5.0, 2.0, 4.0], [2.0, 2.0, 2.0]]
    assert hindsight(value, price, [4.5, 100.0]).tolist() == [[11.0, 3.0], [4.5, 6.0]]
    assert hindsight(value, price, [100.0, 100.0], least_ratio=1.0).tolist() == [[20.0, 0.0], [11.0, 0.0]]


@given(seed=SEEDS, budget=st.floats(0.5, 300.0))
def test_shadow_level_is_where_money_runs_out(seed: int, budget: float) -> None:
    """Bidding less than it can be afforded, bidding just that cannot; against each level there is."""
    rng = np.random.default_rng(seed)
    value, price = rng.integers(0, 5, 12).astype(float), rng.integers(1, 50, 12).astype(float)
    value[rng.integers(12)] = 3.0  # something is worth something
    cost = np.where(value > 0.0, price / np.maximum(value, 1e-9), np.inf)
    level = shadow_level(value, price, [budget])[0]
    assert price[cost < level].sum() <= budget
    if price[np.isfinite(cost)].sum() > budget:
        assert price[cost <= level].sum() > budget
    else:
        assert level == cost[np.isfinite(cost)].max()


@given(seed=SEEDS, budget=st.floats(1.0, 200.0))
def test_shadow_level_is_what_a_little_more_money_buys(seed: int, budget: float) -> None:
    rng = np.random.default_rng(seed)
    value, price = rng.uniform(0.1, 5.0, (1, 30)), rng.uniform(5.0, 50.0, (1, 30))
    little = 1e-6
    more = hindsight(value, price, [budget + little])[0] - hindsight(value, price, [budget])[0]
    assert little / more[0] == pytest.approx(shadow_level(value, price, [budget])[0], rel=1e-3)


def test_shadow_level_by_hand() -> None:
    value, price = [[10.0, 6.0, 0.0], [1.0, 2.0, 4.0], [0.0, 0.0, 0.0]], [[5.0, 2.0, 1.0], [2.0, 2.0, 2.0], [1.0] * 3]
    assert shadow_level(value, price, [1.0, 4.0, 5.0])[:2].tolist() == [1 / 3, 2.0]
    assert shadow_level(value, price, [7.0, 100.0, 5.0])[:2].tolist() == [0.5, 2.0]


@given(seed=SEEDS, noise=st.floats(0.0, 5.0))
def test_no_scorer_beats_the_truth_in_expectation(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 20, 200)
    assert expected_auc(np.log(p) + rng.normal(0, noise, 200), p) <= bayes_auc(p) + 1e-12


def test_expected_auc_is_the_mean_of_realised_ones() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 10, 2_000)
    scores = p + rng.normal(0, 0.05, 2_000)
    realised = [auc(scores, rng.random(2_000) < p) for _ in range(200)]
    assert expected_auc(scores, p) == pytest.approx(np.mean(realised), abs=0.004)


@given(scores=st.lists(st.integers(0, 5), min_size=2, max_size=12), data=st.data())
def test_auc_counts_pairs_and_halves_ties(scores: list[int], data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    pairs = [
        1.0 if s > t else 0.5 if s == t else 0.0
        for s, clicked in zip(scores, labels, strict=True)
        if clicked
        for t, other in zip(scores, labels, strict=True)
        if not other
    ]
    if pairs:
        assert auc(scores, labels) == pytest.approx(np.mean(pairs))
    else:
        assert np.isnan(auc(scores, labels))
