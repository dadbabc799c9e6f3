"""The fit finds the market that made the prices, however little is told of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.models.winrate import Evidence, PriceEvidence, loglogistic
from rtb.models.winrate.evidence import BINS, CENTRES
from tests.rtb.models.winrate.worlds import PATTERNS, Pattern, evidence, prices
from tests.support import examples

_BIDS = 20_000


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=examples(25))
@given(st.floats(100.0, 1e7), st.floats(0.7, 8.0), st.floats(-0.7, 0.7), st.integers(0, 2**32))
def test_the_market_is_found_under_each_censoring(
    pattern: Pattern, median: float, shape: float, height: float, seed: int
) -> None:
    """Bids spread around a level above or below the market's, about as widely as its prices do."""
    price = prices(median, shape, _BIDS, seed)
    bids = median * np.exp((height + np.random.default_rng(seed).normal(0.0, 1.0, _BIDS)) * 1.7 / shape)
    found = loglogistic.fit(evidence(price, bids, pattern).counts)
    assert np.log(found.median[0] / median) * shape == pytest.approx(0.0, abs=0.25)  # in units of the prices' spread
    assert found.shape[0] == pytest.approx(shape, rel=0.15)


def test_moments_of_what_was_paid_would_be_far_off() -> None:
    """What the fit is for: prices of auctions won are the lower ones."""
    price = prices(50_000.0, 2.0, _BIDS, seed=3)
    bids = np.full(_BIDS, 40_000.0) * np.exp(np.random.default_rng(3).normal(0, 0.5, _BIDS))
    seen = price[bids >= price]
    found = loglogistic.fit(evidence(price, bids, "known_wins").counts)
    assert np.median(seen) < 30_000
    assert found.median[0] == pytest.approx(50_000, rel=0.1)


@given(
    st.lists(st.tuples(st.sampled_from(list(PriceEvidence)), st.floats(0.0, 1e12), st.integers(1, 10_000)), max_size=8),
)
def test_whatever_was_seen_the_fit_is_a_distribution(
    seen: list[tuple[PriceEvidence, float, int]],
) -> None:
    """All lost, all won, all at one price, nothing at all."""
    found = Evidence(half_life=1e12)
    for verdict, micros, times in seen:
        found.add(np.zeros(times, np.intp), np.full(times, verdict), np.full(times, micros))
    fitted = loglogistic.fit(found.counts)
    assert 1.0 <= fitted.median[0] <= np.exp(CENTRES[-1]) * 1.01
    assert 0.3 <= fitted.shape[0] <= 40.0
    chance = fitted.chance(CENTRES)[0]
    assert ((chance >= 0) & (chance <= 1) & (np.diff(chance, prepend=0.0) >= 0)).all()


def test_campaigns_fitted_together_are_fitted_as_if_alone() -> None:
    rng = np.random.default_rng(0)
    alone = []
    for seed, pattern in enumerate(PATTERNS):
        median, shape = 10.0 ** rng.uniform(3, 6), rng.uniform(1, 6)
        price = prices(median, shape, 500, seed)
        alone.append(evidence(price, median * np.exp(rng.normal(0, 0.5, 500)), pattern).counts)
    together = loglogistic.fit(np.concatenate([*alone, np.zeros((1, len(PriceEvidence), BINS))]))
    for row, counts in enumerate(alone):
        one = loglogistic.fit(counts)
        assert together.median[row] == pytest.approx(one.median[0], rel=1e-4)
        assert together.shape[row] == pytest.approx(one.shape[0], rel=1e-4)


def test_bids_that_all_win_say_that_prices_are_low_and_more_so_the_more_they_are() -> None:
    bids = [np.full(count, 80_000.0) for count in (10, 100, 1_000)]
    medians = [float(loglogistic.fit(evidence(b / 100, b, "own").counts).median[0]) for b in bids]
    assert 80_000 > medians[0] > medians[1] > medians[2]


def test_a_market_that_moved_is_followed() -> None:
    before, after = prices(20_000.0, 3.0, 5_000, seed=1), prices(60_000.0, 3.0, 10_000, seed=2)
    price = np.concatenate([before, after])
    bids = 35_000.0 * np.exp(np.random.default_rng(5).normal(0.0, 0.6, len(price)))
    found = Evidence(half_life=1_000.0)
    for start in range(0, len(price), 100):  # as batches come; within one, nothing is older
        part = slice(start, start + 100)
        won = bids[part] >= price[part]
        found.add(np.zeros(100, np.intp), np.where(won, PriceEvidence.WON, PriceEvidence.LOST), bids[part])
    assert found.weight()[0] == pytest.approx(1_000 / np.log(2), rel=0.1)
    assert loglogistic.fit(found.counts).median[0] == pytest.approx(60_000, rel=0.15)
