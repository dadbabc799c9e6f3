"""Money shared out by weights: nothing lost, bounds kept, names instead of places."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.apportion import Claim, InfeasibleBounds, apportion
from tests.portfolio.cases import MONEY

WIDE = 10**15


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, list[Claim]]:
    claims = []
    for name in draw(st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=7)):
        base = draw(MONEY)
        low = base + draw(MONEY)
        weight = draw(st.sampled_from([0.0, 1.0, 1.0]) | st.floats(0.0, 1e12) | st.floats(0.0, 1e-12))
        claims.append(Claim(name, weight, low, low + draw(MONEY), base))
    return sum(claim.low for claim in claims) + draw(MONEY), claims


@given(problems(), st.randoms())
def test_the_parts_add_up_within_bounds_in_any_order(problem, random):
    total, claims = problem
    share = apportion(total, claims)
    assert sum(share.micros) + share.unallocated == total
    assert all(claim.low <= part <= claim.high for claim, part in zip(claims, share.micros, strict=True))
    assert share.unallocated == max(0, total - sum(claim.high for claim in claims))
    pairs = list(zip(claims, share.micros, strict=True))
    random.shuffle(pairs)
    assert apportion(total, [claim for claim, _ in pairs]).micros == tuple(part for _, part in pairs)


@given(problems())
def test_one_level_explains_every_part(problem):
    """Whoever got less by weight than another is at its most, or the other at its least, to a micro of rounding."""
    total, claims = problem
    parts = zip(claims, apportion(total, claims).micros, strict=True)
    top = max((claim.weight for claim in claims), default=0.0)
    clear = [(claim, part) for claim, part in parts if claim.weight > 1e-6 * top]
    for one, part in clear:
        for other, more in clear:
            if part < one.high and more > other.low:
                # Weights are rounded to 2**-40 of the largest, and are 2**-20 of it or more here.
                fair = (part - one.base + 1) / one.weight * (1 + 2.0**-18)
                assert (more - other.base - 1) / other.weight <= fair


def parts(total: int, *claims: tuple[float, int, int, int]) -> tuple[int, ...]:
    return apportion(total, [Claim(name, *claim) for name, claim in zip("cab", claims, strict=False)]).micros


def test_equals_get_the_odd_micros_by_name():
    assert parts(5, *[(1, 0, WIDE, 0)] * 3) == (1, 2, 2)


def test_a_bound_that_binds_leaves_the_others_proportional():
    assert parts(100, (8, 0, 60, 0), (1, 0, WIDE, 0), (1, 0, WIDE, 0)) == (60, 20, 20)
    assert parts(100, (8, 0, WIDE, 0), (1, 30, WIDE, 0), (1, 0, WIDE, 0)) == (62, 30, 8)


def test_weights_count_from_the_base_on():
    assert parts(100, (1, 40, WIDE, 40), (1, 0, WIDE, 0)) == (70, 30)


def test_without_weight_there_is_what_others_cannot_take():
    assert parts(100, (1, 0, WIDE, 0), (0, 0, WIDE, 0), (0, 0, WIDE, 0)) == (100, 0, 0)
    assert parts(100, (1, 0, 40, 0), (0, 0, WIDE, 0), (0, 0, 10, 0)) == (40, 50, 10)


def test_what_caps_keep_out_stays_unallocated():
    assert apportion(100, [Claim("a", 1, 0, 30), Claim("b", 1, 0, 20)]) == ((30, 20), 50)
    assert apportion(100, []) == ((), 100)


def test_floors_beyond_the_total_are_refused_with_what_to_change():
    with pytest.raises(InfeasibleBounds, match="20 more than the total of 100: raise the total"):
        apportion(100, [Claim("a", 1, 60, WIDE), Claim("b", 1, 60, WIDE)])


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_weights_that_mean_nothing_are_refused(weight):
    with pytest.raises(ValueError, match="'a': its weight"):
        apportion(1, [Claim("a", weight, 0, 1)])


@pytest.mark.parametrize(("low", "high", "base"), [(2, 1, 0), (0, 1, 1), (0, 1, -1)])
def test_bounds_that_contradict_each_other_are_refused(low, high, base):
    with pytest.raises(ValueError, match="'a': 0 <= base"):
        apportion(1, [Claim("a", 1.0, low, high, base)])


def test_names_are_told_apart():
    with pytest.raises(ValueError, match="same name"):
        apportion(1, [Claim("a", 1.0, 0, 1), Claim("a", 1.0, 0, 1)])
