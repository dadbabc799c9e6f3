"""Markets out of batches of events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rtb.winrate import UNKNOWN
from rtb.winrate.learner import MarketLearner
from tests.rtb.winrate.worlds import bid, events, notice, prices

_MARKETS = {3: (40_000.0, 2.0), 70: (200_000.0, 5.0)}
"""Median and shape by campaign number."""


def _traffic(count: int, *, told: bool) -> list[dict[str, Any]]:
    """First-price bids of both campaigns, each followed by how it ended."""
    rng, rows = np.random.default_rng(2), []
    for campaign, (median, shape) in _MARKETS.items():
        bids = median * np.exp(rng.normal(0.0, 0.6, count))
        for n, (price, own) in enumerate(zip(prices(median, shape, count, campaign), bids.tolist(), strict=True)):
            name, pctr = f"{campaign}-{n}", 0.01 * np.exp(rng.normal(0.0, 0.5))
            least = {"min_to_win_micros": int(price)} if told else {}
            rows.append(bid(name, int(own), campaign=campaign, pctr=pctr))
            rows.append(notice("bill" if own >= price else "loss", name, campaign=campaign, price_micros=int(own),
                               outcome="settled", **least))  # fmt: skip
    return rows


@pytest.mark.parametrize(("told", "close"), [(True, 0.08), (False, 0.12)])
def test_each_campaigns_market_is_learned_from_its_events(told: bool, close: float) -> None:
    learner = MarketLearner()
    rows = _traffic(2_000, told=told)
    for start in range(0, len(rows), 999):
        learner.observe(events(*rows[start : start + 999]))
    assert set(learner.markets) == set(_MARKETS)
    for campaign, (median, shape) in _MARKETS.items():
        market = learner.markets[campaign]
        assert market.price_median == pytest.approx(median, rel=close)
        assert market.price_shape == pytest.approx(shape, rel=2 * close)
        assert market.pctr_log_std == pytest.approx(0.5, rel=0.1)


def test_a_market_is_not_believed_after_a_few_bids() -> None:
    learner = MarketLearner()
    rows = [event for n in range(40) for event in (bid(f"{n}", 500 + n), notice("loss", f"{n}"))]
    learner.observe(events(*rows[:50]))
    assert learner.markets[1].price_median == UNKNOWN.price_median
    before = learner.markets
    learner.observe(events(*rows[50:]))
    assert learner.markets[1].price_median > 500
    assert before[1].price_median == UNKNOWN.price_median  # who read it goes on with it


def test_events_of_no_bid_change_nothing() -> None:
    learner = MarketLearner()
    learner.observe(events(notice("click", "x"), {"kind": "bid", "bid": "unreadable"}, notice("bill", "y")))
    learner.observe(events())
    assert not learner.markets
