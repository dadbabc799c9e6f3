"""What the rest of the day is worth in auctions of this hour, against going through it minute by minute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.pacing.landscape import Landscape
from rtb.pacing.moment import Moment
from rtb.pacing.profile import HOURS, DailyProfile

_SLICES = 60  # of an hour
_SEEDS = st.integers(0, 2**32 - 1)


def _profile(seed: int) -> DailyProfile:
    rng = np.random.default_rng(seed)
    return DailyProfile(rng.uniform(1.0, 100.0, (1, HOURS)), rng.uniform(0.3, 3.0, (1, HOURS)))


def _when(hour: float, *, auctions: float = 1.0, hours: float = np.nan) -> Moment:
    return Moment(np.array([auctions]), np.ones(1), np.array([hour]), np.array([hours]))


def _walk(profile: DailyProfile, hour: float, *, auctions: float = np.inf, hours: float = np.inf) -> float:
    """Compute the same, slice by slice of the remaining time."""
    same, now = 0.0, int(hour) % HOURS
    at = hour
    while auctions > 1e-9 and hours > 1e-9:
        until = min((np.floor(at * _SLICES + 1e-6) + 1) / _SLICES - at, hours)
        of_day = int(np.floor(at + 1e-9)) % HOURS
        seen = min(profile.traffic[0, of_day] * until, auctions)
        same += seen * profile.factor[0, of_day] / profile.factor[0, now]
        auctions, hours, at = auctions - seen, hours - until, at + until
    return same


_MINUTES = st.integers(0, 72 * _SLICES).map(lambda minutes: minutes / _SLICES)


@given(_SEEDS, _MINUTES, st.floats(0.0, 80.0))
def test_by_the_clock_it_is_what_the_walk_through_the_hours_counts(seed: int, hour: float, hours: float) -> None:
    profile = _profile(seed)
    same = profile.same_as_now(_when(hour, hours=hours))[0]
    assert same == pytest.approx(_walk(profile, hour, hours=hours), rel=1e-6, abs=1e-6)


@given(_SEEDS, _MINUTES, st.floats(0.0, 4_000.0))
def test_by_count_it_is_what_the_walk_through_the_hours_counts(seed: int, hour: float, auctions: float) -> None:
    profile = _profile(seed)
    same = profile.same_as_now(_when(hour, auctions=auctions))[0]
    assert same == pytest.approx(_walk(profile, hour, auctions=auctions), rel=1e-6, abs=1e-6)


@given(st.floats(0.0, 1e4), st.floats(0.0, 1e6))
def test_on_a_flat_day_it_is_the_auctions_left(hour: float, auctions: float) -> None:
    same = DailyProfile(*np.ones((2, 1, 24))).same_as_now(_when(hour, auctions=auctions))[0]
    assert same == pytest.approx(auctions, rel=1e-9, abs=1e-6)


@given(st.floats(0.0, 1e4), st.floats(0.0, 1e3), st.floats(0.1, 1e4))
def test_on_a_flat_day_by_the_clock_it_is_traffic_times_hours(hour: float, hours: float, traffic: float) -> None:
    profile = DailyProfile(np.full((1, HOURS), traffic), np.full((1, HOURS), 2.0))
    same = profile.same_as_now(_when(hour, hours=hours))[0]
    assert same == pytest.approx(traffic * hours, rel=1e-6, abs=1e-6)


def test_a_cheaper_rest_of_the_day_counts_fewer() -> None:
    factor = np.ones((1, HOURS))
    factor[0, 12:] = 0.5
    cheaper = DailyProfile(np.full((1, HOURS), 10.0), factor)
    assert cheaper.same_as_now(_when(11.0, hours=13.0))[0] == pytest.approx(10 + 12 * 10 * 0.5)
    assert cheaper.same_as_now(_when(11.5, hours=12.5))[0] == pytest.approx(5 + 12 * 10 * 0.5)
    assert cheaper.same_as_now(_when(12.0, hours=13.0))[0] == pytest.approx(12 * 10 + 10 * 2)  # a dear hour in them


def test_a_profile_of_a_log_has_its_hours() -> None:
    """Twice the traffic and half the price in the afternoon of both days."""
    rng = np.random.default_rng(1)
    hour = np.concatenate([np.arange(0, 48, 0.01), 12 + np.arange(0, 12, 0.01), 36 + np.arange(0, 12, 0.01)])
    is_late = hour % 24 >= 12
    pctr = rng.uniform(0.001, 0.002, len(hour))
    price = np.where(is_late, 50.0, 100.0) * rng.uniform(0.9, 1.1, len(hour))
    landscape = Landscape.of(pctr, price)
    profile = DailyProfile.of(pctr, price, hour, landscape, 1e9)
    late = np.arange(HOURS) >= 12
    assert profile.traffic[0, late] == pytest.approx(np.full(12, 200.0), rel=0.05)
    assert profile.traffic[0, ~late] == pytest.approx(np.full(12, 100.0), rel=0.05)
    assert profile.factor[0, late].max() < 0.9
    assert profile.factor[0, ~late].min() > 1.1


def test_a_log_without_hours_gives_a_flat_profile() -> None:
    pctr, price = np.full(500, 0.001), np.full(500, 80.0)
    profile = DailyProfile.of(pctr, price, np.zeros(500), Landscape.of(pctr, price), 1e9)
    assert profile.same_as_now(_when(0.0, auctions=250.0))[0] == pytest.approx(250.0, rel=1e-3)


def test_hours_never_watched_are_as_busy_as_those_that_were() -> None:
    sums = np.zeros((4, 1, HOURS))
    sums[:, 0, 9] = 2.0, 60.0, 900.0, 1_000.0
    profile = DailyProfile.from_sums(*sums)
    assert profile.traffic[0] == pytest.approx(np.full(HOURS, 30.0))
    assert profile.factor[0, 10] == 1.0
    assert 0.9 < profile.factor[0, 9] < 1.0  # 60 auctions are few


def test_campaigns_side_by_side_are_the_same_as_alone() -> None:
    parts = [_profile(seed) for seed in range(3)]
    together = DailyProfile.stack(parts).take([2, 0, 2])
    hour, hours = np.array([3.5, 20.0, 7.0]), np.array([12.0, 30.0, 1.0])
    same = together.same_as_now(Moment(np.ones(3), np.ones(3), hour, hours))
    alone = [parts[p].same_as_now(_when(h, hours=n))[0] for p, h, n in zip((2, 0, 2), hour, hours, strict=True)]
    assert same.tolist() == alone
    assert len(together) == 3
