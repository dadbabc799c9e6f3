"""The book of the day: what came in each hour, the older the less it weighs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.pacing.hourly_stats import HourlyStats
from rtb.pacing.profile import HOURS


def _add(book: HourlyStats, hour: float, hours: float, auctions: list[float], factor: float = 1.0) -> None:
    seen = np.array(auctions)
    book.add(hour, np.full(len(seen), hours), seen, factor * seen, seen)


def test_traffic_is_that_of_the_part_of_the_day_that_was_watched() -> None:
    book = HourlyStats(2)
    for minute in range(90):
        _add(book, 10 + minute / 60, 1 / 60, [2.0, 5.0])
    assert book.traffic() == pytest.approx([120.0, 300.0])


def test_an_hour_that_was_watched_longer_does_not_count_more() -> None:
    book = HourlyStats(1)
    for day in range(2):
        for hour in range(24):
            for _ in range(3 if hour < 12 and day else 1):
                _add(book, 24 * day + hour, 1.0, [100.0 if hour < 12 else 300.0])
    assert book.traffic()[0] == pytest.approx(200.0, rel=0.02)


def test_an_hour_that_has_just_begun_says_little() -> None:
    book = HourlyStats(1)
    for second in range(3_600):
        _add(book, 10 + second / 3_600, 1 / 3_600, [1.0])
    _add(book, 11.0, 1 / 3_600, [0.0])
    assert book.traffic()[0] == pytest.approx(3_600, rel=0.01)


def test_who_was_not_watched_is_not_known_and_others_are() -> None:
    book = HourlyStats(2)
    book.add(5.0, np.array([1.0, 0.0]), np.array([40.0, 0.0]), np.zeros(2), np.zeros(2))
    assert book.traffic()[0] == pytest.approx(40.0)
    assert book.traffic()[1] < 0.01
    assert np.isfinite(book.profile().factor).all()


def test_the_order_of_campaigns_may_change() -> None:
    old = HourlyStats(3)
    _add(old, 5.0, 1.0, [10.0, 20.0, 30.0])
    new = HourlyStats(4)
    new.remember(old, np.array([2, -1, 0, 2], np.intp))
    assert new.traffic()[[0, 2, 3]] == pytest.approx([30.0, 10.0, 30.0])
    assert new.traffic()[1] < 0.01
    _add(new, 5.0, 1.0, [50.0] * 4)
    assert old.traffic() == pytest.approx([10.0, 20.0, 30.0])


def test_an_hour_forgets_by_days_on_which_it_was_watched() -> None:
    book = HourlyStats(1)
    for _ in range(30):
        _add(book, 7.0, 1.0, [100.0], 2.0)
    for _ in range(4):  # after which what was before counts half
        _add(book, 7.0, 1.0, [300.0], 1.0)
    assert book.traffic()[0] == pytest.approx(200.0, rel=0.02)
    for _ in range(40):
        _add(book, 7.0, 1.0, [300.0], 1.0)
    assert book.traffic()[0] == pytest.approx(300.0, rel=0.01)


def test_hours_not_watched_are_not_forgotten() -> None:
    book = HourlyStats(1)
    _add(book, 3.0, 1.0, [100.0], 2.0)
    before = book.profile()
    for day in range(20):
        _add(book, 24 * day + 15.0, 1.0, [100.0], 1.0)
    assert book.profile().traffic[0, 3] == pytest.approx(before.traffic[0, 3])
    assert book.profile().factor[0, 3] > 1.1 > book.profile().factor[0, 15]


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 5), st.floats(0, 1e9), st.floats(0, 3)), max_size=20))
def test_whatever_was_noted_a_profile_can_be_read(notes: list[tuple[float, float, float, float]]) -> None:
    book = HourlyStats(1)
    for hour, hours, auctions, factor in notes:
        _add(book, hour, hours, [auctions], factor)
    profile = book.profile()
    assert profile.traffic.shape == profile.factor.shape == (1, HOURS)
    for part in (profile.traffic, profile.factor):
        assert np.isfinite(part).all()
        assert (part > 0.0).all()
    assert book.traffic()[0] == pytest.approx(profile.traffic.mean())
