"""A campaign knows how far it is, by counting auctions or by the clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.pacing.moment import Clock


@given(count=st.integers(1, 50), data=st.data())
def test_by_count_what_is_left_is_exact(count: int, data: st.DataObject) -> None:
    hour = np.sort(np.random.default_rng(count).uniform(0, 30, (2, count)), axis=1)
    auction = data.draw(st.integers(0, count + 3))
    when = Clock.counting(hour).at(auction)
    left = max(count - auction, 0)
    assert when.auctions_left.tolist() == [left, left]
    assert when.time_left == pytest.approx([left / count] * 2)
    assert np.isnan(when.hours_left).all()
    assert when.hour.tolist() == hour[:, min(auction, count - 1)].tolist()


def test_by_the_clock_what_is_left_is_a_forecast() -> None:
    clock = Clock(np.array([[30.0, 33.0, 42.0]]), np.array([24.0]), np.array([10.0]))
    for auction, hours_left in ((0, 24.0), (1, 21.0), (2, 12.0)):
        when = clock.at(auction)
        assert (when.hours_left[0], when.auctions_left[0]) == (hours_left, 10 * hours_left)
        assert when.time_left[0] == hours_left / 24.0
        assert when.hour[0] == clock.hour[0, auction]


def test_the_next_auction_is_always_one_of_those_to_come() -> None:
    late = Clock(np.array([[0.0, 23.99, 30.0]]), np.array([24.0]), np.array([1.0]))
    assert [late.at(auction).auctions_left[0] for auction in (1, 2, 3)] == [1.0, 1.0, 1.0]
    assert [late.at(auction).time_left[0] for auction in (2, 3)] == [0.0, 0.0]


def test_campaigns_of_both_kinds_are_side_by_side() -> None:
    hour = np.tile(np.arange(4.0), (2, 1))
    both = Clock(hour, np.array([np.nan, 8.0]), np.array([1.0, 5.0]))
    when = both.take([1, 0, 1]).at(2)
    assert when.auctions_left.tolist() == [30.0, 2.0, 30.0]
    assert when.time_left.tolist() == [0.75, 0.5, 0.75]
    np.testing.assert_array_equal(when.hours_left, [6.0, np.nan, 6.0])
