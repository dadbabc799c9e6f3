"""What notices that cost nothing, or that are absurd, do to the bids of a campaign: as good as nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rtb.auction.pricing import shade
from rtb.models.winrate import market_key
from rtb.models.winrate.evidence import FAR
from rtb.models.winrate.learner import MarketLearner
from tests.rtb.models.winrate.worlds import MARKET, bid, events, notice, prices

VALUE = 2_610
"""Micros an impression is worth: a CPM of 2.61."""

_COUNT = 2_560
_LIAR = 99
"""Another exchange's key."""


_LATER = bid("later", VALUE, at=5_000.0)
"""So long after the others that nobody waits for their notices any more."""


def _honest(count: int = 2_000, seed: int = 1) -> list[dict[str, Any]]:
    """Bids in a first-price market whose prices are about half of the value, and what really came of them."""
    rng, rows = np.random.default_rng(seed), []
    bids = np.rint(VALUE * rng.uniform(0.3, 1.0, count)).astype(int).tolist()
    for n, (own, price) in enumerate(zip(bids, prices(VALUE / 2, 4.0, count, seed), strict=True)):
        rows.append(bid(f"h{seed}-{n}", own))
        rows.append(notice("bill" if own >= price else "loss", f"h{seed}-{n}", price_micros=own))
    return rows


def _bid_at(learner: MarketLearner, key: int = MARKET) -> int:
    """Return the bid in a market for an impression of this value: all of it where nothing is known."""
    known = {int(one["key"]): one for one in learner.markets[1].markets}
    if key not in known:
        return VALUE
    one = known[key]
    return int(shade(np.array([VALUE]), np.array([one["median"]], float), np.array([one["shape"]], float))[0])


def _flood(kind: str, least: int, **fields: Any) -> list[dict[str, Any]]:
    rows = [bid(f"x{n}", VALUE, **fields) for n in range(_COUNT)]
    return rows + [notice(kind, f"x{n}", min_to_win_micros=least) for n in range(_COUNT)]


@pytest.fixture
def learned() -> MarketLearner:
    """Knows an honest market, where it pays to bid less than the value."""
    learner = MarketLearner()
    learner.observe(events(*_honest(), _LATER))
    assert 0.4 * VALUE < _bid_at(learner) < 0.8 * VALUE
    return learner


@pytest.mark.parametrize("caller", [0, 4, _LIAR])
def test_wins_that_were_never_charged_move_nothing(learned: MarketLearner, caller: int) -> None:
    before = _bid_at(learned)
    learned.observe(events(*_flood("win", 90, caller=caller, floor_micros=0), _LATER))
    assert _bid_at(learned) == before


@pytest.mark.parametrize("caller", [0, _LIAR])
@pytest.mark.parametrize("least", [0, VALUE + 1, 3 * VALUE, 10**9])
def test_losses_told_elsewhere_move_nothing_here(learned: MarketLearner, caller: int, least: int) -> None:
    before, pacing = _bid_at(learned), learned.markets[1].price_median
    learned.observe(events(*_flood("loss", least, caller=caller), _LATER))
    assert _bid_at(learned) == before
    assert learned.markets[1].price_median == pacing
    assert _bid_at(learned, market_key(3, _LIAR)) <= VALUE


@pytest.mark.parametrize(("charged", "least"), [(True, 1), (True, 90), (False, 10**9), (False, FAR * VALUE)])
def test_some_absurd_amounts_among_honest_ones_move_little(charged: bool, least: int) -> None:
    """One bid in a hundred, at the exchange itself; the bids that were charged cost their price."""
    lied, told = MarketLearner(), MarketLearner()
    lies = [bid(f"x{n}", VALUE, floor_micros=0) for n in range(20)]
    lies += [notice("bill" if charged else "loss", f"x{n}", min_to_win_micros=least) for n in range(20)]
    lied.observe(events(*_honest(), *lies))
    told.observe(events(*_honest()))
    assert _bid_at(lied) == pytest.approx(_bid_at(told), rel=0.05)


def test_an_exchange_that_lies_of_its_own_losses_pays_or_is_bid_the_value_at_most() -> None:
    """A flood of losses takes shading off what is bid there. It adds nothing to the value."""
    learner = MarketLearner()
    learner.observe(events(*_honest()))
    for least in (0, VALUE + 1, FAR * VALUE, 10**9):
        learner.observe(events(*_flood("loss", least)))
        assert _bid_at(learner) <= VALUE
