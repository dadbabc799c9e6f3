"""Slopes and drifts: lines are found as they are, noise on a level is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.serving.soak import Trend, leaks, slowed, trend
from benchmarks.serving.trends import drift, gained, growth, slope
from tests.benchmarks.slices import make_slice


@given(
    rate=st.floats(-500, 500),
    level=st.floats(0, 5_000),
    moments=st.lists(st.integers(0, 36_000), min_size=2, max_size=40, unique=True),
)
def test_a_line_has_its_slope(rate: float, level: float, moments: list[int]) -> None:
    seconds = [float(moment) for moment in moments]
    assert slope(seconds, [level + rate * at / 3_600 for at in seconds]) == pytest.approx(rate, abs=1e-6, rel=1e-6)


def test_noise_on_a_level_has_none() -> None:
    rng = np.random.default_rng(1)
    seconds = np.arange(0.0, 600.0, 10.0)
    assert abs(slope(seconds.tolist(), rng.normal(300.0, 1.0, len(seconds)).tolist())) < 10.0


def test_one_moment_has_no_slope() -> None:
    assert slope([5.0], [3.0]) == 0.0
    assert slope([5.0, 5.0], [3.0, 4.0]) == 0.0
    assert growth([], []) == 0.0


def test_moments_and_values_belong_together() -> None:
    with pytest.raises(ValueError, match="2 times and 1 values"):
        slope([1.0, 2.0], [3.0])


def test_growth_is_a_share_of_the_beginning() -> None:
    assert growth([0.0, 300.0, 600.0], [200.0, 210.0, 220.0]) == pytest.approx(0.1)


@given(st.lists(st.floats(1, 1e3), min_size=3, max_size=30), st.floats(0.1, 10))
def test_what_does_not_change_does_not_drift(values: list[float], factor: float) -> None:
    assert drift([values[0]] * len(values)) == 1.0
    assert gained([values[0]] * len(values)) == 0.0
    assert drift([factor * value for value in values]) == pytest.approx(drift(values))


def test_drift_is_last_third_over_first() -> None:
    assert drift([10.0, 10.0, 99.0, 99.0, 15.0, 15.0]) == 1.5
    assert gained([10.0, 10.0, 99.0, 99.0, 15.0, 15.0]) == 5.0
    with pytest.raises(ValueError, match="thirds"):
        drift([1.0, 2.0])


@pytest.mark.parametrize(
    ("an_hour", "of_each_slice", "told"),
    [
        (0.0, 0, []),
        (30.0, 0, []),  # slower than a pool that fills
        (900.0, 0, ["Router grows by 900 MiB an hour"]),
        (0.0, 1, ["Router has 12 more files", "Router has 12 more connections"]),
    ],
)
def test_what_grows_is_told(an_hour: float, of_each_slice: int, told: list[str]) -> None:
    slices = [make_slice(10.0 * i, mib=100.0 + an_hour * i / 360, more=i * of_each_slice) for i in range(18)]
    found = leaks({"Router": trend("Router", slices)})
    assert [line.split(",")[0] for line in found] == told


def test_valkey_may_fill_and_a_pool_may_breathe() -> None:
    assert leaks({"Valkey": Trend(200.0, 3_000.0, 0.5, 0.0, 0.0, 0.0)}) == []
    assert leaks({"Router": Trend(200.0, 0.0, 0.0, 8.0, 4.0, 8.0)}) == []


def test_latency_that_grows_is_told_and_that_of_a_slow_slice_is_not() -> None:
    worse = [make_slice(10.0 * i, p99_ms=10.0 + 5.0 * i) for i in range(9)]
    once = [make_slice(10.0 * i, p99_ms=200.0 if i == 8 else 10.0) for i in range(9)]
    little = [make_slice(10.0 * i, p99_ms=1.0 + 0.2 * i) for i in range(9)]
    assert slowed(worse) == ["p99 is 3.00 times what it was"]
    assert slowed(once) == []
    assert slowed(little) == []
