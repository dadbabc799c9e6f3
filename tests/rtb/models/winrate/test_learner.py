"""Markets out of batches of events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rtb.models.winrate import MOST_MARKETS, market_key
from rtb.models.winrate.learner import MarketLearner
from tests.rtb.models.winrate.worlds import MARKET, bid, events, notice, prices

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
        assert market.markets[0].tolist() == pytest.approx((MARKET, market.price_median, market.price_shape))


def test_pacing_hears_of_a_market_no_more_than_it_charged() -> None:
    """One exchange charges bids of 1,000, the other says that bids lose against 50,000."""
    learner = MarketLearner()
    rows = [event for n in range(200) for event in (bid(f"p{n}", 1_000), notice("bill", f"p{n}"))]
    rows += [notice("loss", f"q{n}", min_to_win_micros=50_000 if n else 15_000) for n in range(400)]
    rows += [bid(f"q{n}", 10_000, caller=5) for n in range(400)]
    rows += [event for n in range(9) for event in (bid(f"l{n}", 500), notice("loss", f"l{n}"))]
    learner.observe(events(*rows, bid("last", 5, at=10_000.0)))
    paid, free = learner.markets[1].markets[:2] if learner.markets[1].markets["key"][0] == MARKET else (
        learner.markets[1].markets[1], learner.markets[1].markets[0])  # fmt: skip
    assert free["median"] > 20_000
    assert learner.markets[1].price_median == pytest.approx(paid["median"])


def test_a_campaign_with_more_markets_than_there_is_room_for_keeps_those_with_most_evidence() -> None:
    learner = MarketLearner()
    rows = [
        event
        for caller in range(1, MOST_MARKETS + 4)
        for n in range(30 + caller)
        for event in (
            bid(f"{caller}-{n}", 900, caller=caller),
            notice("loss", f"{caller}-{n}", min_to_win_micros=1_000),
        )
    ]
    learner.observe(events(*rows))
    kept = [market_key(3, caller) for caller in range(MOST_MARKETS + 3, 3, -1)]
    assert learner.markets[1].markets["key"].tolist() == kept


def test_a_market_is_not_believed_after_a_few_bids() -> None:
    learner = MarketLearner()
    rows = [event for n in range(40) for event in (bid(f"{n}", 500 + n), notice("loss", f"{n}", min_to_win_micros=700))]
    learner.observe(events(*rows[:50]))
    assert not learner.markets[1].markets["key"].any()
    before = learner.markets
    learner.observe(events(*rows[50:]))
    assert learner.markets[1].markets["key"][0] == MARKET
    assert learner.markets[1].markets["median"][0] > 500
    assert not before[1].markets["key"].any()  # who read it goes on with it


def test_where_nothing_was_ever_won_nothing_is_known_of_the_price_to_beat() -> None:
    learner = MarketLearner()
    lost = [event for n in range(400) for event in (bid(f"{n}", 900), notice("loss", f"{n}"))]
    learner.observe(events(*lost))
    assert not learner.markets[1].markets["key"].any()
    learner.observe(events(bid("won", 900), notice("bill", "won", price_micros=900, outcome="settled")))
    assert learner.markets[1].markets["key"][0] == MARKET


def test_events_of_no_bid_change_nothing() -> None:
    learner = MarketLearner()
    learner.observe(events(notice("click", "x"), {"kind": "bid", "bid": "unreadable"}, notice("bill", "y")))
    learner.observe(events())
    assert not learner.markets
