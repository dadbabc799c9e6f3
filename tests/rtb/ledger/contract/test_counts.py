"""What every ledger counts without moving money: notices, and what replicas report."""

from __future__ import annotations

import pytest

from rtb.ledger import Balance, Ledger, NoticeOutcome, Usage
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import NOW, balance, bid, leased, pots, with_ledger

BILL, WIN, CLICK, CONVERSION = Kind.BILL, Kind.WIN, Kind.CLICK, Kind.CONVERSION


# --- count


@pytest.mark.parametrize(("kind", "counter"), [(WIN, "wins"), (BILL, "bills")])
@with_ledger
async def test_a_notice_is_counted_once_a_bid_and_moves_no_money(ledger: Ledger, kind: Kind, counter: str):
    await leased(ledger, 300)
    assert await ledger.count(bid(1), kind, NOW) is NoticeOutcome.COUNTED
    assert await ledger.count(bid(1), kind, NOW) is NoticeOutcome.DUPLICATE
    assert await ledger.count(bid(2), kind, NOW) is NoticeOutcome.COUNTED
    expected = Balance(budget=1_000, available=700, leased=300)._replace(**{counter: 2})
    assert await balance(ledger) == expected


@pytest.mark.parametrize(("kind", "counter"), [(CLICK, "clicks"), (CONVERSION, "conversions")])
@with_ledger
async def test_what_users_do_counts_with_bids_that_were_paid(ledger: Ledger, kind: Kind, counter: str):
    await leased(ledger, 300)
    assert await ledger.settle(bid(1), BILL, 60, NOW) is NoticeOutcome.SETTLED
    assert await ledger.count(bid(1), kind, NOW) is NoticeOutcome.COUNTED
    assert await ledger.count(bid(1), kind, NOW) is NoticeOutcome.DUPLICATE
    assert await ledger.count(bid(2), kind, NOW) is NoticeOutcome.UNPAID
    assert await ledger.count(bid(2), kind, NOW) is NoticeOutcome.DUPLICATE
    counts = await balance(ledger)
    assert (getattr(counts, counter), counts.unpaid, counts.clicks + counts.conversions) == (1, 1, 1)


@with_ledger
async def test_what_users_did_before_the_charge_counts_from_the_charge_on(ledger: Ledger):
    await leased(ledger, 300)
    assert await ledger.count(bid(), CLICK, NOW) is NoticeOutcome.UNPAID
    assert await ledger.count(bid(), CONVERSION, NOW) is NoticeOutcome.UNPAID
    assert (await balance(ledger)).clicks == 0
    assert await ledger.settle(bid(), BILL, 60, NOW) is NoticeOutcome.SETTLED
    counts = await balance(ledger)
    assert (counts.clicks, counts.conversions, counts.unpaid) == (1, 1, 2)
    assert await ledger.settle(bid(), BILL, 60, NOW) is NoticeOutcome.DUPLICATE
    assert await ledger.count(bid(), CLICK, NOW) is NoticeOutcome.DUPLICATE
    assert await balance(ledger) == counts


@with_ledger
async def test_a_win_notice_or_a_charge_without_money_makes_no_click_count(ledger: Ledger):
    await leased(ledger, 1_000)
    assert await ledger.count(bid(1), WIN, NOW) is NoticeOutcome.COUNTED
    assert await ledger.count(bid(1), CLICK, NOW) is NoticeOutcome.UNPAID
    assert await ledger.settle(bid(2, ceiling=1_000), BILL, 1_000, NOW) is NoticeOutcome.SETTLED
    assert await ledger.settle(bid(3), BILL, 60, NOW) is NoticeOutcome.UNFUNDED
    assert await ledger.count(bid(3), CLICK, NOW) is NoticeOutcome.UNPAID
    counts = await balance(ledger)
    assert (counts.clicks, counts.unpaid) == (0, 2)


# --- report


@with_ledger
async def test_reports_add_up(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.open(2, 10)
    await ledger.report([Usage(1, 10, 3, 0.25, 20_000_000.5), Usage(2, 1, 0, 1e-9, 0.125)])
    await ledger.report([Usage(1, 5, 2, 0.5, 5e6)])
    await ledger.report([])
    first, second = await ledger.balances([1, 2])
    assert (first.opportunities, first.bids, second.opportunities, second.bids) == (15, 5, 1, 0)
    assert (first.probability, second.probability) == pytest.approx((0.75, 1e-9))
    assert (first.levels, second.levels) == (25_000_000.5, 0.125)
    assert await pots(ledger) == {"available": 700, "leased": 300}


@with_ledger
async def test_a_report_does_not_open_a_campaign(ledger: Ledger):
    await ledger.report([Usage(1, 10, 3, 0.25)])
    assert await balance(ledger) == Balance()
    assert await ledger.settle(bid(), BILL, 60, NOW) is NoticeOutcome.UNKNOWN
