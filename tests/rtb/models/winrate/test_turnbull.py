"""The curve without a form: a distribution, with the atoms that were seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.models.winrate import loglogistic, turnbull
from rtb.models.winrate.evidence import CENTRES, STEP
from tests.rtb.models.winrate.worlds import PATTERNS, Pattern, evidence, prices


@pytest.mark.parametrize("pattern", PATTERNS)
@given(st.floats(1_000.0, 1e6), st.floats(1.0, 6.0), st.integers(0, 2**32))
def test_it_agrees_with_the_market_under_each_censoring(
    pattern: Pattern, median: float, shape: float, seed: int
) -> None:
    price = prices(median, shape, 4_000, seed)
    bids = median * np.exp(np.random.default_rng(seed).normal(0.0, 1.7 / shape, 4_000))
    counts = evidence(price, bids, pattern).counts
    mass = turnbull.masses(counts, loglogistic.fit(counts))
    assert (mass >= 0).all()
    assert mass.sum() == pytest.approx(1.0)
    truth = 1.0 / (1.0 + (median / turnbull.PRICES) ** shape)
    among = np.abs(CENTRES - np.log(median)) < 2.0 / shape  # where bids were
    assert np.abs(np.cumsum(mass[0]) - truth)[among].max() < 0.12


def test_an_atom_is_bid_just_above_and_a_smooth_curve_does_not_know_it() -> None:
    price = np.where(np.arange(1_000) % 2, 20_000.0, 90_000.0)
    counts = evidence(price, price, "known").counts
    fitted = loglogistic.fit(counts)
    bids = turnbull.shade(np.array([30_000.0, 60_000.0]), turnbull.masses(counts, fitted)[0])
    assert bids == pytest.approx([20_000, 20_000], rel=STEP)
    assert (bids >= 20_000).all()


@given(st.lists(st.floats(0.0, 1e9), min_size=2, max_size=20), st.integers(0, 1_000))
def test_bids_stay_below_values_and_rise_with_them(values: list[float], seed: int) -> None:
    price = prices(50_000.0, 1.5, 200, seed)
    counts = evidence(price, np.roll(price, 1), "own").counts
    mass = turnbull.masses(counts, loglogistic.fit(counts))[0]
    bids = turnbull.shade(np.sort(values), mass)
    assert (bids <= np.sort(values)).all()
    assert (np.diff(bids) >= 0).all()
