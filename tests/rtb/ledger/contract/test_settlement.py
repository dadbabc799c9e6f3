"""What every ledger does with notices that move money: charges and losses, once a bid, whatever the order."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from rtb.ledger import Balance, Closing, Grant, Ledger, NoticeOutcome
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import EXPIRES, NOW, balance, bid, leased, pots, with_ledger

BILL, WIN, CLICK = Kind.BILL, Kind.WIN, Kind.CLICK


# --- settle


@pytest.mark.parametrize(("price", "spent"), [(0, 0), (60, 60), (99, 99), (100, 100), (101, 100), (5_000, 100)])
@pytest.mark.parametrize("closed", [False, True], ids=["before the close", "after the close"])
@with_ledger
async def test_a_bid_costs_its_price_but_never_more_than_was_bid(ledger: Ledger, price: int, spent: int, closed: bool):
    await leased(ledger, 300)
    if closed:
        await ledger.close([Closing(7, 300)])
    assert await ledger.settle(bid(), BILL, price, NOW) is NoticeOutcome.SETTLED
    after = await balance(ledger)
    assert after.spent == spent
    assert after.available == 700 + 100 - spent  # what the price left of the ceiling is back at once
    assert (after.leased, after.reserved) == ((0, 200) if closed else (200, 0))
    assert (after.bills, after.wins, after.price_squares) == (1, 0, spent**2)


@with_ledger
async def test_a_repeated_notice_is_a_duplicate_and_free(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.settle(bid(), BILL, 60, NOW)
    before = await balance(ledger)
    for price in (60, 0, 100):
        assert await ledger.settle(bid(), BILL, price, NOW) is NoticeOutcome.DUPLICATE
    assert await balance(ledger) == before


@with_ledger
async def test_of_notices_of_a_bid_that_come_at_once_one_is_paid(ledger: Ledger):
    await leased(ledger, 300)
    notices = [(bid(sequence), kind) for sequence in (1, 2, 3) for kind in (BILL, WIN, BILL)]
    outcomes = await asyncio.gather(*(ledger.settle(ref, kind, 60, NOW) for ref, kind in notices))
    assert Counter(outcomes) == {NoticeOutcome.SETTLED: 3, NoticeOutcome.DUPLICATE: 6}
    assert await pots(ledger) == {"available": 820, "spent": 180}


@pytest.mark.parametrize(("first", "second"), [(WIN, BILL), (BILL, WIN)])
@with_ledger
async def test_a_bid_is_charged_once_whichever_notice_charges(ledger: Ledger, first: Kind, second: Kind):
    await leased(ledger, 300)
    assert await ledger.settle(bid(), first, 60, NOW) is NoticeOutcome.SETTLED
    assert await ledger.settle(bid(), second, 60, NOW) is NoticeOutcome.DUPLICATE
    assert await pots(ledger) == {"available": 740, "leased": 200, "spent": 60}


@with_ledger
async def test_a_charge_on_the_win_is_counted_as_a_win(ledger: Ledger):
    await leased(ledger, 300)
    assert await ledger.settle(bid(), WIN, 60, NOW) is NoticeOutcome.SETTLED
    after = await balance(ledger)
    assert (after.wins, after.bills) == (1, 0)


@with_ledger
async def test_bids_of_one_lease_settle_apart(ledger: Ledger):
    await leased(ledger, 300)
    assert [await ledger.settle(bid(n), BILL, 50 + n, NOW) for n in (1, 2, 3)] == [NoticeOutcome.SETTLED] * 3
    after = await balance(ledger)
    assert (after.spent, after.leased, after.price_squares) == (156, 0, 51**2 + 52**2 + 53**2)


@with_ledger
async def test_a_bid_charged_after_its_loss_is_paid_from_what_is_available(ledger: Ledger):
    await leased(ledger, 200)
    await ledger.release(bid(1), NOW)
    assert await ledger.settle(bid(1), BILL, 60, NOW) is NoticeOutcome.SETTLED
    assert await pots(ledger) == {"available": 840, "leased": 100, "spent": 60}  # the other bid's money is untouched


@with_ledger
async def test_a_bid_charged_after_its_loss_leaves_other_bids_their_money(ledger: Ledger):
    await leased(ledger, 200, budget=200)
    await ledger.open(1, 0)  # nothing is available but what comes back
    await ledger.close([Closing(7, 200)])
    await ledger.release(bid(1), NOW)
    assert await ledger.lease([Grant(8, 1, 100, 1.0, EXPIRES)]) == [100]
    assert await ledger.settle(bid(1), BILL, 60, NOW) is NoticeOutcome.UNFUNDED
    assert await ledger.settle(bid(2), BILL, 100, NOW) is NoticeOutcome.SETTLED
    assert await pots(ledger) == {"leased": 100, "spent": 100}


@with_ledger
async def test_a_loss_between_win_and_bill_does_not_lose_the_bids_money(ledger: Ledger):
    await leased(ledger, 100, budget=100)
    await ledger.count(bid(), WIN, NOW)
    assert await ledger.release(bid(), NOW) is NoticeOutcome.COUNTED
    assert await ledger.settle(bid(), BILL, 60, NOW) is NoticeOutcome.SETTLED
    assert await pots(ledger) == {"available": 40, "spent": 60}


@with_ledger
async def test_a_late_charge_after_the_lease_went_back_is_paid_from_what_is_available(ledger: Ledger):
    await leased(ledger, 300)
    assert await ledger.reclaim(EXPIRES) == 300
    assert await ledger.settle(bid(), BILL, 60, EXPIRES) is NoticeOutcome.SETTLED
    assert await pots(ledger) == {"available": 940, "spent": 60}


@with_ledger
async def test_what_cannot_be_paid_is_unfunded_and_spends_nothing(ledger: Ledger):
    await leased(ledger, 50, budget=50)
    assert await ledger.settle(bid(ceiling=100), BILL, 60, NOW) is NoticeOutcome.UNFUNDED
    after = await balance(ledger)
    assert after == Balance(budget=50, available=50, unfunded=1)
    assert await ledger.settle(bid(ceiling=100), BILL, 60, NOW) is NoticeOutcome.DUPLICATE


@with_ledger
async def test_a_price_is_paid_from_the_lease_and_what_is_available_together(ledger: Ledger):
    await leased(ledger, 50, budget=70)
    assert await ledger.settle(bid(ceiling=100), BILL, 70, NOW) is NoticeOutcome.SETTLED
    assert await pots(ledger) == {"spent": 70}


@with_ledger
async def test_no_notice_of_an_unknown_campaign_does_anything(ledger: Ledger):
    await leased(ledger, 300)
    stranger = bid(campaign=2)
    assert await ledger.settle(stranger, BILL, 60, NOW) is NoticeOutcome.UNKNOWN
    assert await ledger.release(stranger, NOW) is NoticeOutcome.UNKNOWN
    assert await ledger.count(stranger, CLICK, NOW) is NoticeOutcome.UNKNOWN
    assert await ledger.balances([2]) == [Balance()]
    assert await pots(ledger) == {"available": 700, "leased": 300}


# --- release


@pytest.mark.parametrize("closed", [False, True], ids=["before the close", "after the close"])
@with_ledger
async def test_a_loss_frees_the_bids_money_once(ledger: Ledger, closed: bool):
    await leased(ledger, 300)
    if closed:
        await ledger.close([Closing(7, 300)])
    assert await ledger.release(bid(), NOW) is NoticeOutcome.FREED
    assert await ledger.release(bid(), NOW) is NoticeOutcome.DUPLICATE
    assert await pots(ledger) == {"available": 800, "reserved" if closed else "leased": 200}
    assert (await balance(ledger)).losses == 1


@with_ledger
async def test_a_loss_after_the_bill_is_none(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.settle(bid(), BILL, 60, NOW)
    before = await balance(ledger)
    for _ in range(2):
        assert await ledger.release(bid(), NOW) is NoticeOutcome.CHARGED
    assert await balance(ledger) == before
    assert before.losses == 0
    assert await pots(ledger) == {"available": 740, "leased": 200, "spent": 60}


@with_ledger
async def test_a_loss_after_the_win_keeps_the_money_for_the_bill(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.count(bid(), WIN, NOW)
    assert await ledger.release(bid(), NOW) is NoticeOutcome.COUNTED
    assert await pots(ledger) == {"available": 700, "leased": 300}


@with_ledger
async def test_a_loss_after_the_lease_went_back_frees_nothing_twice(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.reclaim(EXPIRES)
    assert await ledger.release(bid(), EXPIRES) is NoticeOutcome.FREED
    assert await pots(ledger) == {"available": 1_000}
