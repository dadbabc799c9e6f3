"""Bid maths: what is never bid, whatever the numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtb.auction.pricing import price_bids, rank, shade

_bids = st.integers(0, 2**40)


def _shade(bid: int, median: float, shape: float = 4.0) -> int:
    return int(shade(np.array([bid]), np.array([median]), np.array([shape]))[0])


@given(
    st.lists(st.tuples(st.integers(1, 2**40), st.floats(0, 1), st.floats(0.1, 2.0), st.integers(0, 2**40)), max_size=6)
)
def test_bid_is_the_expected_value_rounded_down_and_capped(rows: list[tuple[int, float, float, int]]) -> None:
    value, chance, multiplier, cap = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.empty(0)] * 4
    )
    bids = price_bids(value.astype(float), chance, multiplier, cap.astype(np.int64))
    assert bids.dtype == np.int64
    for bid, row in zip(bids.tolist(), rows, strict=True):
        worth = row[0] * row[1] * row[2]
        assert 0 <= bid <= worth
        assert bid > worth - 1 or bid == row[3]
        assert not row[3] or bid <= row[3]


@given(st.lists(st.tuples(_bids, st.floats(0, 2.0**45), st.floats(0.1, 60)), max_size=6))
@example([(0, 5.0, 2.0)])
@example([(1, 1e-300, 60.0)])
@example([(2**40, 1e-300, 60.0)])
@example([(1, 2.0**45, 60.0)])
def test_shaded_bid_is_between_nothing_and_the_bid(rows: list[tuple[int, float, float]]) -> None:
    bids, median, shape = (np.array([row[n] for row in rows], float) for n in range(3))
    with np.errstate(all="ignore"):
        shaded = shade(bids.astype(np.int64), median, shape)
    assert ((shaded >= 0) & (shaded <= bids)).all()
    assert (shaded[median == 0] == bids[median == 0]).all()


@given(st.integers(1_000, 10**9), st.floats(0.01, 20), st.floats(0.5, 20))
def test_shading_gains_as_much_as_bidding_any_other_part_would(bid: int, relative: float, shape: float) -> None:
    def surplus(price: float) -> float:
        return (bid - price) / (1 + (relative * bid / price) ** shape)

    price = _shade(bid, relative * bid, shape)  # rounded down to a micro
    best = max(surplus(price), surplus(price + 1)) + 1e-4 * bid
    assert all(best >= surplus(part * bid) for part in np.linspace(0.005, 1.0, 200))


@given(st.lists(_bids, min_size=2, max_size=20), st.floats(1.0, 2.0**40), st.floats(0.3, 40))
def test_who_values_more_bids_no_less(bids: list[int], median: float, shape: float) -> None:
    values = np.sort(np.array(bids, np.int64))
    shaded = shade(values, np.full(len(bids), median), np.full(len(bids), shape))
    assert (np.diff(shaded) >= 0).all()


def test_cheap_market_is_shaded_more() -> None:
    prices = [_shade(1_000_000, median) for median in (200_000, 400_000, 600_000, 900_000)]
    assert prices == sorted(prices)
    assert prices[0] < prices[-1] < 1_000_000


def test_steep_market_is_bid_just_above_its_price() -> None:
    assert _shade(1_000_000, 500_000, 40.0) == pytest.approx(550_000, rel=0.05)


@given(st.lists(st.tuples(st.integers(-5, 20), st.integers(0, 20), st.integers(0, 4)), max_size=20))
def test_auction_keeps_the_bids_that_meet_their_floor_highest_first(rows: list[tuple[int, int, int]]) -> None:
    bids, floors, imp = (np.array([row[n] for row in rows], np.int64) for n in range(3))
    order = rank(bids, floors, imp.astype(np.intp)).tolist()
    standing = [n for n, (bid, floor, _) in enumerate(rows) if bid >= floor and bid > 0]
    assert sorted(order) == standing
    keys = [(rows[n][2], -rows[n][0]) for n in order]
    assert all(one <= other for one, other in pairwise(keys))


def test_bid_at_the_floor_stands_and_a_bid_of_nothing_does_not() -> None:
    assert rank(np.array([5, 4, 0]), np.array([5, 5, 0]), np.array([0, 1, 2])).tolist() == [0]
