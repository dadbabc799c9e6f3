"""What every ledger does with terms: pause, flight, and what a day may cost."""

from __future__ import annotations

import pytest

from rtb.ledger import Closing, Day, Grant, Ledger, NoticeOutcome, Terms
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import EXPIRES, NOW, balance, bid, leased, with_ledger

BILL = Kind.BILL
DAY, NEXT_DAY = Day("2026-11-22", NOW + 50), Day("2026-11-23", NOW + 90)


async def ask(ledger: Ledger, lease: int, at: float = NOW, day: Day = DAY, least: int = 0) -> int:
    """Lease all that may be leased."""
    grant = Grant(lease, 1, least, 1.0, EXPIRES, at=at, day=day.name, day_ends=day.ends)
    return (await ledger.lease([grant]))[0]


@with_ledger
async def test_a_paused_campaign_gets_no_lease_and_keeps_what_it_has(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.open(1, Terms(1_000, paused=True))
    assert await ask(ledger, 8) == 0
    assert await ledger.settle(bid(), BILL, 60, NOW) is NoticeOutcome.SETTLED
    await ledger.open(1, Terms(1_000))
    assert await ask(ledger, 8) == 740


@pytest.mark.parametrize(("at", "granted"), [(NOW - 1, 0), (NOW, 1_000), (NOW + 9, 1_000), (NOW + 10, 0)])
@with_ledger
async def test_a_lease_is_granted_within_the_flight_only(ledger: Ledger, at: float, granted: int):
    await ledger.open(1, Terms(1_000, starts=NOW, ends=NOW + 10))
    assert await ask(ledger, 7, at) == granted


@with_ledger
async def test_a_bare_budget_has_no_other_terms(ledger: Ledger):
    await ledger.open(1, Terms(1_000, 10, NOW + 5, NOW + 6, True))
    await ledger.open(1, 1_000)
    assert await ask(ledger, 7) == 1_000


@with_ledger
async def test_no_more_is_leased_than_is_left_of_the_day(ledger: Ledger):
    await ledger.open(1, Terms(1_000, 300))
    assert await ask(ledger, 7) == 300
    assert await ask(ledger, 8, least=100) == 0
    await ledger.settle(bid(1), BILL, 60, NOW)  # 40 of its 100 are available again, and to be had of the day
    assert await ask(ledger, 8) == 40
    await ledger.close([Closing(7, 200)])
    assert await ask(ledger, 9) == 100  # 60 spent, 40 leased, 100 reserved
    assert await ask(ledger, 10) == 0


@with_ledger
async def test_a_new_day_begins_with_what_is_still_promised(ledger: Ledger):
    await ledger.open(1, Terms(1_000, 300))
    await ask(ledger, 7)
    await ledger.settle(bid(1), BILL, 100, NOW)
    await ledger.settle(bid(2), BILL, 30, DAY.ends)  # tomorrow already, and nobody has said so
    after = await balance(ledger)
    assert (after.spent_today, after.spent_next, after.day_ends) == (100, 30, DAY.ends)
    assert (after.day_left(NOW), after.day_left(DAY.ends)) == (170, 270)
    assert await ask(ledger, 8) == 70
    assert await ask(ledger, 9, DAY.ends, NEXT_DAY) == 300 - 30 - 100 - 70
    after = await balance(ledger)
    assert (after.spent_today, after.spent_next, after.day_ends) == (30, 0, NEXT_DAY.ends)


@with_ledger
async def test_what_was_spent_before_the_first_day_had_a_name_is_of_that_day(ledger: Ledger):
    await ledger.open(1, Terms(1_000, 300))
    assert await ask(ledger, 7, day=Day()) == 300
    await ledger.settle(bid(1), BILL, 100, NOW)
    assert await ask(ledger, 8) == 0
    after = await balance(ledger)
    assert (after.spent_today, after.spent_next, after.day_ends) == (100, 0, DAY.ends)


@with_ledger
async def test_a_replica_that_is_late_does_not_bring_yesterday_back(ledger: Ledger):
    await ledger.open(1, Terms(1_000, 300))
    assert await ask(ledger, 7, DAY.ends, NEXT_DAY) == 300
    await ledger.close([Closing(7, 100)])
    await ledger.settle(bid(1), BILL, 100, DAY.ends)
    assert await ask(ledger, 8, DAY.ends) == 200
    assert (await balance(ledger)).day_ends == NEXT_DAY.ends


@with_ledger
async def test_a_day_named_when_it_is_over_does_not_make_the_ledger_forget_what_was_spent_since(ledger: Ledger):
    today = Day("2026-11-24", NOW + 130)
    await ledger.open(1, Terms(1_000, 300))
    assert await ask(ledger, 7) == 300
    await ledger.settle(bid(1), BILL, 100, NEXT_DAY.ends)  # of today, which nobody has named
    assert await ask(ledger, 8, NEXT_DAY.ends, NEXT_DAY) == 0  # nor has who is a day late
    assert await ask(ledger, 9, NEXT_DAY.ends, today) == 0  # 100 spent today, 200 leased
    after = await balance(ledger)
    assert (after.spent_today, after.spent_next, after.day_ends) == (100, 0, today.ends)


@pytest.mark.parametrize(
    ("daily", "outcome"), [(299, NoticeOutcome.UNFUNDED), (300, NoticeOutcome.SETTLED), (0, NoticeOutcome.SETTLED)]
)
@with_ledger
async def test_a_charge_without_money_held_does_not_break_the_day(ledger: Ledger, daily: int, outcome: NoticeOutcome):
    await ledger.open(1, Terms(1_000, 500))
    await ask(ledger, 7)
    await ledger.settle(bid(2), BILL, 100, NOW)
    await ledger.release(bid(1), NOW)
    await ledger.close([Closing(7, 300)])  # 100 spent, 100 reserved
    await ledger.open(1, Terms(1_000, daily))
    assert await ledger.settle(bid(1), BILL, 100, NOW) is outcome


@with_ledger
async def test_a_lowered_day_honours_what_was_promised_and_promises_no_more(ledger: Ledger):
    await ledger.open(1, Terms(1_000, 300))
    await ask(ledger, 7)
    await ledger.open(1, Terms(1_000, 50))
    assert await ledger.settle(bid(1), BILL, 100, NOW) is NoticeOutcome.SETTLED
    await ledger.close([Closing(7, 100)])
    assert await ask(ledger, 8) == 0
    assert await ask(ledger, 8, DAY.ends, NEXT_DAY) == 50
