"""Amounts: what a CPM is in micros, and which prices are refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtb.money.micros import MAX_MICROS, MoneyError, cpm_to_micros, floors_to_micros, micros_to_cpm, units_to_micros

_NO_AMOUNTS = [float("nan"), float("inf"), float("-inf"), -0.001, 1e300]


@pytest.mark.parametrize(
    ("cpm", "micros"), [(0.0, 0), (1.0, 1_000), (0.29, 290), (2.5, 2_500), (0.0004, 0), (0.0006, 1), (12, 12_000)]
)
def test_cpm_is_a_thousandth_of_a_unit_an_impression(cpm: float, micros: int) -> None:
    assert cpm_to_micros(cpm) == micros


@given(st.integers(0, 2**50))
def test_price_survives_the_way_to_cpm_and_back(micros: int) -> None:
    assert cpm_to_micros(micros_to_cpm(micros)) == micros


@given(st.floats(0, 1e9))
def test_price_is_the_nearest_micro(cpm: float) -> None:
    assert abs(Fraction(cpm) * 1_000 - cpm_to_micros(cpm)) <= Fraction(1, 2) + Fraction(1, 1_000)


@pytest.mark.parametrize("cpm", _NO_AMOUNTS)
def test_what_is_no_price_is_refused(cpm: float) -> None:
    with pytest.raises(MoneyError, match="is not a price"):
        cpm_to_micros(cpm)


@pytest.mark.parametrize(
    ("units", "micros"), [(0.0, 0), (0.1, 100_000), (0.29, 290_000), (1_000_000.01, 1_000_000_010_000), (3, 3_000_000)]
)
def test_unit_is_a_million_micros(units: float, micros: int) -> None:
    assert units_to_micros(units) == micros


@pytest.mark.parametrize("units", _NO_AMOUNTS)
def test_what_is_no_amount_is_refused(units: float) -> None:
    with pytest.raises(MoneyError, match="is not between"):
        units_to_micros(units)


def test_largest_amount_is_taken_and_no_more() -> None:
    assert cpm_to_micros(MAX_MICROS / 1_000) == MAX_MICROS
    with pytest.raises(MoneyError):
        cpm_to_micros((MAX_MICROS + 2_000) / 1_000)


@given(st.lists(st.floats(0, 1e9, exclude_max=True), max_size=8))
@example([0.29])
@example([1.0000000005])
@example([5e-324])
@example([123_456.29])
def test_floor_in_micros_neither_undercuts_nor_asks_a_micro_more(floors: list[float]) -> None:
    for floor, micros in zip(floors, floors_to_micros(np.array(floors, np.float64)).tolist(), strict=True):
        assert micros_to_cpm(micros) >= floor
        assert micros == 0 or micros_to_cpm(micros - 1) < floor


@given(st.integers(1, 10**12))
def test_floor_a_hair_above_a_price_asks_the_next_micro(micros: int) -> None:
    floor = np.nextafter(micros_to_cpm(micros), np.inf)
    assert floors_to_micros(np.array([floor])).tolist() == [micros + 1]


@given(st.lists(st.integers(0, 10**12), max_size=8))
def test_floor_that_is_a_price_stays_that_price(micros: list[int]) -> None:
    floors = np.array([micros_to_cpm(price) for price in micros], np.float64)
    assert floors_to_micros(floors).tolist() == micros
