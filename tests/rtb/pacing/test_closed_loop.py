"""The closed loop finds out how far its forecast is off, and spends its budget all the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.pacing.closed_loop import ClosedLoop
from rtb.pacing.landscape import Landscape
from tests.support import examples

SEEDS = st.integers(0, 2**32 - 1)


def landscape(rng: np.random.Generator, loops: int = 1) -> Landscape:
    one = Landscape.of(np.exp(rng.normal(-6, 1, 5_000)), np.rint(np.exp(rng.normal(4, 0.7, 5_000))))
    return one.take([0] * loops)


def play(loop: ClosedLoop, rng: np.random.Generator, *, budget: float, dearer: float, step: int, n: int) -> float:
    """Spend of one campaign in auctions `dearer` times as dear as the past's."""
    left = budget
    for start in range(0, n, step):
        level = loop.level(np.array([left]), np.array([n - start]))
        pctr, price = np.exp(rng.normal(-6, 1, step)), dearer * np.exp(rng.normal(4, 0.7, step))
        won = level[0] * pctr >= price
        paid = min(left, price[won].sum())
        left -= paid
        loop.learn(level, np.array([paid]), np.array([float(step)]))
    return budget - left


@settings(max_examples=examples(20))
@given(seed=SEEDS, dearer=st.sampled_from([0.5, 0.8, 1.0, 1.5]), step=st.sampled_from([1, 10, 25]))
def test_the_budget_is_spent_in_another_market_too(seed: int, dearer: float, step: int) -> None:
    rng = np.random.default_rng(seed)
    budget = 8.0 * 1_000
    loop = ClosedLoop(landscape(rng), np.array([budget / 1_000]))
    assert play(loop, rng, budget=budget, dearer=dearer, step=step, n=1_000) == pytest.approx(budget, rel=0.06)


def test_the_correction_tends_to_what_the_market_takes() -> None:
    rng = np.random.default_rng(3)
    past = landscape(rng)
    loop, level = ClosedLoop(past, np.array([8.0])), past.scale(np.array([8.0]))
    assert loop.correction()[0] == 1.0
    for _ in range(100):
        loop.learn(level, np.array([2 * 8.0 * 20]), np.array([20.0]))
    assert loop.correction()[0] == pytest.approx(2.0, rel=0.2)  # the prior keeps it a little below
    before = loop.level(np.array([800.0]), np.array([100.0]))
    loop.forget(np.array([True]))
    assert loop.correction()[0] == 1.0
    assert before[0] < loop.level(np.array([800.0]), np.array([100.0]))[0]


def test_without_memory_the_forecast_stays() -> None:
    past = landscape(np.random.default_rng(3))
    loop = ClosedLoop(past, np.array([8.0]), memory=0.0)
    loop.learn(past.scale(np.array([8.0])), np.array([1e6]), np.array([20.0]))
    assert loop.correction()[0] == 1.0


def test_campaigns_side_by_side_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(5)
    past, even = landscape(rng, 2), np.array([8.0, 8.0])
    both, alone = ClosedLoop(past, even), ClosedLoop(past.take([0]), even[:1])
    level = both.level(np.array([800.0, 80.0]), np.array([100.0, 100.0]))
    both.learn(level, np.array([50.0, 500.0]), np.array([10.0, 20.0]))
    alone.learn(level[:1], np.array([50.0]), np.array([10.0]))
    assert both.correction()[0] == alone.correction()[0]
