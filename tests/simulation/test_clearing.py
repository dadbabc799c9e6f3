"""Nobody overspends, and money that runs out in the middle of a step is spent as if auction by auction."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.clearing import clear

SEEDS = st.integers(0, 2**32 - 1)
KINDS = st.sampled_from(["second", "first"])


@given(seed=SEEDS, kind=KINDS)
def test_a_step_is_its_auctions_one_after_another(seed: int, kind: Literal["second", "first"]) -> None:
    rng = np.random.default_rng(seed)
    bids, prices = rng.integers(0, 30, (4, 12)).astype(float), rng.integers(0, 30, (4, 12)).astype(float)
    left = rng.integers(0, 150, 4).astype(float)
    won, paid = clear(bids, prices, left, kind)
    for lane in range(4):
        money = left[lane]
        for i in range(12):
            bid = min(bids[lane, i], money)
            assert won[lane, i] == (bid >= prices[lane, i])
            assert paid[lane, i] == (0 if not won[lane, i] else prices[lane, i] if kind == "second" else bid)
            money -= paid[lane, i]
        assert money >= 0


def test_first_price_pays_the_bid_and_second_price_the_market() -> None:
    bids, prices, left = np.array([[7.0, 3.0]]), np.array([[5.0, 4.0]]), np.array([100.0])
    assert clear(bids, prices, left, "second").paid.tolist() == [[5.0, 0.0]]
    assert clear(bids, prices, left, "first").paid.tolist() == [[7.0, 0.0]]


@pytest.mark.parametrize(("left", "paid"), [(10.0, [6.0, 0.0, 3.0]), (9.0, [6.0, 0.0, 3.0]), (8.0, [6.0, 0.0, 0.0])])
def test_what_is_left_caps_the_bid_and_cheaper_ones_go_on(left: float, paid: list[float]) -> None:
    assert clear(np.full((1, 3), 9.0), np.array([[6.0, 5.0, 3.0]]), np.array([left])).paid.tolist() == [paid]
