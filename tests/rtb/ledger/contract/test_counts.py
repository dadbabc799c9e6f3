"""What every ledger counts without moving money: notices, and what replicas report."""

from __future__ import annotations

import pytest

from rtb.ledger import Balance, Ledger, Outcome, Usage
from rtb.notices import Kind
from tests.rtb.ledger.support import NOW, balance, bid, leased, pots, with_ledger

BILL, WIN, CLICK, CONVERSION = Kind.BILL, Kind.WIN, Kind.CLICK, Kind.CONVERSION


# --- count


@pytest.mark.parametrize(
    ("kind", "counter"), [(WIN, "wins"), (BILL, "bills"), (CLICK, "clicks"), (CONVERSION, "conversions")]
)
@with_ledger
async def test_a_notice_is_counted_once_a_bid_and_moves_no_money(ledger: Ledger, kind: Kind, counter: str):
    await leased(ledger, 300)
    assert await ledger.count(bid(1), kind, NOW) is Outcome.COUNTED
    assert await ledger.count(bid(1), kind, NOW) is Outcome.DUPLICATE
    assert await ledger.count(bid(2), kind, NOW) is Outcome.COUNTED
    expected = Balance(budget=1_000, available=700, leased=300)._replace(**{counter: 2})
    assert await balance(ledger) == expected


@with_ledger
async def test_a_click_may_come_before_the_bill(ledger: Ledger):
    await leased(ledger, 300)
    assert await ledger.count(bid(), CLICK, NOW) is Outcome.COUNTED
    assert await ledger.settle(bid(), BILL, 60, NOW) is Outcome.SETTLED


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
    assert await ledger.settle(bid(), BILL, 60, NOW) is Outcome.UNKNOWN
