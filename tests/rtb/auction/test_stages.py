"""The stages between the Router's two halves: bids within bounds, and none without money."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.auction.stages import Auction, AuctionOutcome, BidStage, CTRStage
from rtb.ledger import LeaseBook, MemoryLedger, Usage
from rtb.models.ctr import PRIOR, CTRScorer
from rtb.models.features import FIELDS
from rtb.models.observation import MULTIPLIER_HIGH, MULTIPLIER_LOW, OBSERVATION
from rtb.models.policy import Policy, neutral, unsquash
from rtb.pacing.snapshot import PacingTable
from rtb.targeting.listing import Listing
from tests.rtb.builders import MARKET, MONDAY_NOON, fill, make_campaign, make_table
from tests.support import examples

_TTL = 60.0


def _constant_policy(action: float) -> Policy:
    (weight, _), *_ = neutral().layers
    return Policy(((weight, np.array([action], np.float32)),), "tanh", "continuous", np.empty(0), "constant")


def _stage(
    table: PacingTable, budgets: dict[int, int] | int = 10**9, *, policy: Policy | None = None, leased: bool = True
) -> BidStage:
    """Build a bidder whose campaigns have these budgets, all of them leased."""
    ledger = MemoryLedger()
    numbers = count(1)
    book = LeaseBook(
        ledger,
        seconds=5.0,
        share=1.0,
        notice_ttl=_TTL,
        clock=lambda: MONDAY_NOON,
        new_number=lambda: next(numbers),
    )
    stage = BidStage(policy or neutral(), book)
    stage.set_pacing_table(table)

    async def fund() -> None:
        for number in table["number"].tolist():
            await ledger.open(number, budgets if isinstance(budgets, int) else budgets[number])
        if leased:
            await book.maintain()

    asyncio.run(fund())
    return stage


def _auction(
    candidates: list[tuple[int, int, float]],
    *,
    floors: list[int] | None = None,
    first_price: bool = False,
    cvr: float = 0.1,
    market: int = MARKET,
) -> Auction:
    """Candidates are (impression, campaign, click probability)."""
    imp, campaign = [row[0] for row in candidates], [row[1] for row in candidates]
    imps = max([*imp, len(floors or ()) - 1, -1]) + 1
    probability = np.array([(row[2], cvr) for row in candidates], np.float32).reshape(-1, 2)
    return Auction(
        np.array(imp, np.intp),
        np.array(campaign, np.int32),
        probability,
        np.array(floors or [0] * imps, np.int64)[np.array(imp, np.intp)],
        np.full(imps, first_price),
        market=np.full(imps, market, np.uint64),
    )


def _table(*numbers: int, **columns: Any) -> PacingTable:
    table = make_table([Listing(number, make_campaign()) for number in numbers])
    table["value_micros"] = 1_000_000
    for name, values in columns.items():
        fill(table, name, values)
    return table


def _bids(auction: Auction, decisions: AuctionOutcome) -> dict[int, tuple[int, int]]:
    """Impression to (campaign, price)."""
    imps = auction.imp[decisions.candidate].tolist()
    assert len(set(imps)) == len(imps)
    campaigns = auction.campaign[decisions.candidate].tolist()
    return dict(zip(imps, zip(campaigns, decisions.price_micros.tolist(), strict=True), strict=True))


def test_untrained_scorer_scores_rows() -> None:
    assert CTRStage(CTRScorer.untrained()).score(np.zeros((2, len(FIELDS)), np.int32)).probability == pytest.approx(
        np.array([PRIOR, PRIOR])
    )


def test_before_the_market_is_known_the_value_is_bid() -> None:
    auction = _auction([(0, 1, 0.25)])
    assert _bids(auction, _stage(_table(1)).decide(auction)) == {0: (1, 250_000)}
    halved = _stage(_table(1), policy=_constant_policy(-1.0)).decide(auction)
    assert _bids(auction, halved) == {0: (1, 125_000)}
    assert halved.multiplier.tolist() == [MULTIPLIER_LOW]


def test_bid_is_level_times_probability_times_the_policys_part() -> None:
    auction, table = _auction([(0, 1, 0.25)]), _table(1, level=400_000.0)
    assert _bids(auction, _stage(table).decide(auction)) == {0: (1, 100_000)}
    doubled = _stage(table, policy=_constant_policy(1.0)).decide(auction)
    assert _bids(auction, doubled) == {0: (1, 200_000)}
    assert doubled.multiplier.tolist() == [0.4 * MULTIPLIER_HIGH]


@pytest.mark.parametrize(("level", "action"), [(0.0, 1.0), (600_000.0, 1.0), (5_000_000.0, 0.0), (5e9, -1.0)])
def test_nothing_is_bid_above_what_it_is_worth(level: float, action: float) -> None:
    auction = _auction([(0, 1, 0.25)])
    versions = _stage(_table(1, level=level), policy=_constant_policy(action)).decide(auction)
    assert _bids(auction, versions) == {0: (1, 250_000)}
    assert versions.multiplier.tolist() == [1.0]


def test_a_policy_sees_what_the_table_says_of_each_campaign() -> None:
    (weight, bias), *_ = neutral().layers
    weight = weight.copy()
    weight[0, OBSERVATION.index("ahead")] = 1.0
    ahead = Policy(((weight, bias),), "tanh", "continuous", np.empty(0), "ahead")
    table = _table(1, 2, level=[100_000.0] * 2, level_ahead=[100_000.0, 50_000.0])
    auction = _auction([(0, 1, 0.25), (1, 2, 0.25)])
    versions = _stage(table, policy=ahead).decide(auction)
    assert versions.multiplier == pytest.approx(0.1 * unsquash(np.array([0.0, -np.log(2.0)])))


def test_conversion_is_paid_for_by_its_own_probability() -> None:
    auction = _auction([(0, 1, 0.25)], cvr=0.5)
    assert _bids(auction, _stage(_table(1, by_conversion=True)).decide(auction)) == {0: (1, 125_000)}


def test_most_to_bid_is_not_exceeded() -> None:
    auction = _auction([(0, 1, 0.25)])
    assert _bids(auction, _stage(_table(1, max_bid_micros=7)).decide(auction)) == {0: (1, 7)}


def test_highest_bid_gets_the_impression() -> None:
    auction = _auction([(0, 1, 0.25), (0, 2, 0.5), (1, 1, 0.125), (1, 2, 0.0625)])
    assert _bids(auction, _stage(_table(1, 2)).decide(auction)) == {0: (2, 500_000), 1: (1, 125_000)}


@pytest.mark.parametrize(("floor", "stands"), [(250_000, True), (250_001, False)])
def test_bid_below_the_floor_does_not_stand(floor: int, stands: bool) -> None:
    auction = _auction([(0, 1, 0.25)], floors=[floor])
    decisions = _stage(_table(1)).decide(auction)
    assert bool(_bids(auction, decisions)) is stands
    assert decisions.unpaid.tolist() == []


def test_first_price_bid_is_shaded_and_second_price_bid_is_not() -> None:
    table = _table(1, median=50_000, shape=4.0)
    for first_price in (True, False):
        auction = _auction([(0, 1, 0.25)], first_price=first_price)
        ((_, price),) = _bids(auction, _stage(table).decide(auction)).values()
        assert (price < 250_000) is first_price
        assert price > 0


def test_shading_does_not_take_a_bid_out_of_an_auction_it_could_enter() -> None:
    auction = _auction([(0, 1, 0.25)], first_price=True, floors=[240_000])
    ((_, price),) = _bids(auction, _stage(_table(1, median=10_000.0, shape=3.0)).decide(auction)).values()
    assert price == 240_000


def test_first_price_impression_goes_to_who_values_it_most_at_its_shaded_price() -> None:
    """Campaign 2 knows nothing of its market and bids in full: more than 1 does, shaded, and less than 1 values it."""
    auction = _auction([(0, 1, 0.5), (0, 2, 0.25)], first_price=True)
    table = _table(1, 2, median=[50_000, 0], shape=4.0)
    assert [campaign for campaign, _ in _bids(auction, _stage(table).decide(auction)).values()] == [1]
    ((_, price),) = _bids(auction, _stage(table).decide(auction)).values()
    assert price < 250_000


def test_impression_goes_to_the_next_campaign_when_the_first_cannot_pay() -> None:
    auction = _auction([(0, 1, 0.5), (0, 2, 0.25)])
    decisions = _stage(_table(1, 2), {1: 499_999, 2: 250_000}).decide(auction)
    assert _bids(auction, decisions) == {0: (2, 250_000)}
    assert decisions.unpaid.tolist() == []


def test_impressions_nobody_can_pay_for_are_named() -> None:
    auction = _auction([(0, 1, 0.5), (1, 1, 0.25), (2, 1, 0.25)], floors=[0, 0, 10**9])
    decisions = _stage(_table(1), {1: 300_000}).decide(auction)
    assert _bids(auction, decisions) == {1: (1, 250_000)}
    assert decisions.unpaid.tolist() == [0]


def test_nothing_is_bid_before_money_is_leased_and_it_is_afterwards() -> None:
    auction = _auction([(0, 1, 0.25)])
    stage = _stage(_table(1), leased=False)
    assert _bids(auction, stage.decide(auction)) == {}
    asyncio.run(stage.book.maintain())
    assert _bids(auction, stage.decide(auction)) == {0: (1, 250_000)}


@pytest.mark.parametrize("stranger", [2, 4, 1_000_000])
def test_campaign_that_is_closed_or_unknown_does_not_bid(stranger: int) -> None:
    table = _table(1, 2, 5, open=[True, False, True])
    auction = _auction([(0, stranger, 0.5), (0, 1, 0.25), (1, stranger, 0.5)])
    stage = _stage(table)
    decisions = stage.decide(auction)
    assert _bids(auction, decisions) == {0: (1, 250_000)}
    assert decisions.unpaid.tolist() == []
    assert stage.drain() == [Usage(1, 1, 1, 0.25, 1e6)]


def test_nothing_is_bid_before_a_pacing_table_came() -> None:
    stage = BidStage(neutral(), LeaseBook(MemoryLedger(), seconds=5.0, share=1.0, notice_ttl=_TTL))
    auction = _auction([(0, 1, 0.25)])
    assert _bids(auction, stage.decide(auction)) == {}
    assert stage.drain() == []


def test_batch_without_candidates_has_no_bids() -> None:
    auction = _auction([], floors=[0, 0])
    assert _bids(auction, _stage(_table(1)).decide(auction)) == {}


def test_bids_have_identities_of_their_own_and_an_expiry() -> None:
    auction = _auction([(imp, campaign, 0.25) for imp in range(5) for campaign in (1, 2)])
    stage = _stage(_table(1, 2))
    first, second = stage.decide(auction), stage.decide(auction)
    named = [
        pair
        for versions in (first, second)
        for pair in zip(versions.lease.tolist(), versions.sequence.tolist(), strict=True)
    ]
    assert len(set(named)) == len(named) == 10
    assert set(first.expires.tolist()) == {int(MONDAY_NOON + _TTL)}


def test_usage_counts_what_was_seen_and_what_was_bid_once() -> None:
    stage = _stage(_table(1, 2, 3))
    stage.decide(_auction([(0, 1, 0.5), (0, 2, 0.25), (1, 1, 0.125), (2, 9, 0.5)]))
    assert sorted(stage.drain()) == [Usage(1, 2, 2, 0.625, 2e6), Usage(2, 1, 0, 0.25, 1e6)]
    assert stage.drain() == []


def test_usage_has_the_chance_that_is_paid_for_and_the_level_that_was_bid() -> None:
    table = _table(1, 2, level=[250_000.0, 9e9], by_conversion=[False, True], value_micros=[1_000_000, 3_000_000])
    stage = _stage(table, policy=_constant_policy(-1.0))
    stage.decide(_auction([(0, 1, 0.5), (1, 1, 0.25), (2, 2, 0.5)], cvr=0.5))
    assert sorted(stage.drain()) == [Usage(1, 2, 2, 0.75, 250_000.0), Usage(2, 1, 1, 0.25, 3_000_000.0)]


def test_new_table_hands_over_the_usage_of_the_old_one() -> None:
    stage = _stage(_table(1))
    stage.decide(_auction([(0, 1, 0.5)]))
    assert stage.set_pacing_table(_table(2, 1)) == [Usage(1, 1, 1, 0.5, 1e6)]
    assert stage.drain() == []
    stage.decide(_auction([(0, 1, 0.5)]))
    assert stage.drain() == [Usage(1, 1, 1, 0.5, 1e6)]


def test_new_policy_bids_from_then_on() -> None:
    stage, auction = _stage(_table(1)), _auction([(0, 1, 0.25)])
    stage.swap_policy(_constant_policy(-1.0))
    assert _bids(auction, stage.decide(auction)) == {0: (1, 125_000)}


_candidates = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 4), st.floats(0, 1, width=32)),
    max_size=20,
    unique_by=lambda row: row[:2],
).map(sorted)


@settings(max_examples=examples(150))
@given(
    st.lists(_candidates, min_size=1, max_size=4),
    st.lists(st.integers(0, 500_000), min_size=6, max_size=6),
    st.dictionaries(st.sampled_from([1, 2, 3]), st.integers(0, 2_000_000), min_size=3),
    st.tuples(st.floats(-1, 1, width=32), st.sampled_from([0.0, 1.0, 1e5, 3e5, 1e6, 1e9])),
    st.booleans(),
)
def test_bids_are_within_bounds_and_never_more_than_the_budget(
    batches: list[list[tuple[int, int, float]]],
    floors: list[int],
    budgets: dict[int, int],
    paced: tuple[float, float],
    first_price: bool,
) -> None:
    action, level = paced
    table = _table(
        1,
        2,
        3,
        value_micros=[300_000, 900_000, 2_000_000],
        median=[0, 100_000, 900_000],
        shape=4,
        level=level,
    )
    value = dict(zip(table["number"].tolist(), table["value_micros"].tolist(), strict=True))
    factor = float(unsquash(np.array([action]))[0])
    multiplier = {number: min(1.0, factor * (level / worth if level else 1.0)) for number, worth in value.items()}
    stage = _stage(table, budgets, policy=_constant_policy(action))
    promised = dict.fromkeys(budgets, 0)
    for candidates in batches:
        auction = _auction(candidates, floors=floors, first_price=first_price)
        decisions = stage.decide(auction)
        won = _bids(auction, decisions)
        assert decisions.multiplier.tolist() == pytest.approx([multiplier[number] for number, _ in won.values()])
        for candidate, price in zip(decisions.candidate.tolist(), decisions.price_micros.tolist(), strict=True):
            imp, campaign, pctr = candidates[candidate]
            assert max(1, floors[imp]) <= price <= value[campaign] * pctr * multiplier[campaign] * (1 + 1e-9)
            promised[campaign] += price
        assert not set(decisions.unpaid.tolist()) & won.keys()
    assert all(promised[number] <= budgets[number] for number in budgets)
