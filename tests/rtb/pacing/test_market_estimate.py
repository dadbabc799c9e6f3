"""What campaigns know of the prices they bid against: the market's, as far as bills tell, and a landscape of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.models.winrate import UNKNOWN_MARKET, CampaignMarket
from rtb.pacing.market_estimate import estimate_markets

_AMOUNTS = st.sampled_from([0.0, 1.0, 2.0**53]) | st.floats(0, 1e15)
_COUNTS = ("opportunities", "bids", "bills", "probability", "spent")


def _totals(**counts: float) -> dict[str, Any]:
    defaults = {"opportunities": 10_000, "bids": 10_000, "bills": 100, "probability": 20.0, "spent": 50_000}
    return {name: np.array([float(value)]) for name, value in {**defaults, **counts}.items()}


def test_usual_averages_are_those_of_all_time() -> None:
    known = estimate_markets(_totals(), [CampaignMarket(450.0, 3.0)], np.array([1e6]))
    assert (known.pctr[0], known.price[0]) == (0.002, 500.0)


def test_who_has_paid_nothing_takes_the_market_to_ask_its_worth() -> None:
    known = estimate_markets(_totals(bills=0, spent=0), [UNKNOWN_MARKET], np.array([3e5]))
    assert known.price[0] == pytest.approx(3e5 * 0.002)
    everything = known.landscape.spend(np.array([1e12]))[0]
    assert everything == pytest.approx(known.price[0], rel=1e-3)  # the mean of what it asks


def test_landscape_is_the_markets() -> None:
    """Spend of a linear bid at prices and chances drawn from what is known."""
    rng, market = np.random.default_rng(2), CampaignMarket(450.0, 3.0, 0.5)
    landscape = estimate_markets(_totals(bids=5_000), [market], np.array([1e6])).landscape
    price = 450.0 * np.exp(np.pi / (np.sqrt(3) * 3.0) * rng.standard_normal(400_000))
    chance = 0.002 * np.exp(0.5 * rng.standard_normal(400_000) - 0.125)
    for level in (1e5, 2e5, 5e5):
        drawn = np.where(level * chance >= price, price, 0.0).mean() / 2  # it only gets into half of them
        assert landscape.spend(np.array([level]))[0] == pytest.approx(drawn, rel=0.02)


@given(
    st.fixed_dictionaries(dict.fromkeys(_COUNTS, _AMOUNTS)), _AMOUNTS, _AMOUNTS, st.floats(1e-3, 1e3), st.floats(0, 9)
)
def test_whatever_was_counted_a_landscape_can_be_read(
    counts: dict[str, float], worth: float, median: float, shape: float, spread: float
) -> None:
    known = estimate_markets(_totals(**counts), [CampaignMarket(median, shape, spread)], np.array([worth]))
    scale = known.landscape.scale(np.array([0.0, 1.0, 1e9])[:1])
    assert np.isfinite(scale).all()
    assert np.isfinite(known.landscape.spend(scale)).all()
    assert (np.diff(known.landscape.spend_table) >= 0).all()


def test_campaigns_side_by_side_are_known_as_alone() -> None:
    parts = [_totals(), _totals(bills=0), _totals(opportunities=0, bids=0, probability=0.0)]
    markets, worth = (
        [CampaignMarket(450.0, 3.0), CampaignMarket(0.0, 2.0), CampaignMarket(100.0, 1.0)],
        np.array([1e6, 2e6, 3e6]),
    )
    together = estimate_markets(
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, markets, worth
    )
    for row, part in enumerate(parts):
        alone = estimate_markets(part, markets[row : row + 1], worth[row : row + 1])
        assert (together.pctr[row], together.price[row]) == (alone.pctr[0], alone.price[0])
        assert together.landscape.spend_table[row].tolist() == alone.landscape.spend_table[0].tolist()
