"""What every ledger does with budgets: opened, raised, lowered, told. Pots are added up after each step (`Watched`)."""

from __future__ import annotations

import pytest

from rtb.ledger import Balance, Closing, Grant, Ledger, NoticeOutcome
from rtb.money.micros import MAX_MICROS
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import EXPIRES, NOW, balance, bid, leased, pots, with_ledger

BILL = Kind.BILL


# --- open


@with_ledger
async def test_a_new_budget_is_all_available(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await balance(ledger) == Balance(budget=1_000, available=1_000)


@with_ledger
async def test_opening_again_with_the_same_budget_changes_nothing(ledger: Ledger):
    await leased(ledger, 300)
    before = await balance(ledger)
    await ledger.open(1, 1_000)
    assert await balance(ledger) == before


@with_ledger
async def test_a_raised_budget_adds_what_is_new(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.open(1, 1_500)
    assert await pots(ledger) == {"available": 1_200, "leased": 300}


@with_ledger
async def test_a_lowered_budget_takes_from_what_is_available(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.open(1, 400)
    assert await pots(ledger) == {"available": 100, "leased": 300}


@pytest.mark.parametrize("budget", [0, 299, 300])
@with_ledger
async def test_a_budget_is_not_lowered_below_what_is_promised(ledger: Ledger, budget: int):
    await leased(ledger, 300)
    await ledger.open(1, budget)
    assert await pots(ledger) == {"leased": 300}
    assert (await balance(ledger)).budget == 300


@with_ledger
async def test_a_budget_is_not_lowered_below_what_is_spent_or_reserved(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.settle(bid(1), BILL, 60, NOW)
    await ledger.close([Closing(7, 200)])
    await ledger.open(1, 0)
    assert await pots(ledger) == {"reserved": 100, "spent": 60}


@with_ledger
async def test_the_largest_budget_is_kept_to_the_micro(ledger: Ledger):
    await ledger.open(1, MAX_MICROS)
    await ledger.lease([Grant(7, 1, MAX_MICROS - 1, 0.0, EXPIRES)])
    assert await pots(ledger) == {"available": 1, "leased": MAX_MICROS - 1}
    await ledger.settle(bid(1, MAX_MICROS - 2), BILL, MAX_MICROS - 2, NOW)
    assert await pots(ledger) == {"available": 1, "leased": 1, "spent": MAX_MICROS - 2}


@with_ledger
async def test_a_campaign_can_be_opened_without_money(ledger: Ledger):
    await ledger.open(1, 0)
    assert await ledger.lease([Grant(7, 1, 1, 1.0, EXPIRES)]) == [0]
    assert await ledger.settle(bid(), BILL, 1, NOW) is NoticeOutcome.UNFUNDED


@with_ledger
async def test_campaigns_do_not_touch_each_other(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.open(2, 500)
    await ledger.settle(bid(), BILL, 50, NOW)
    assert await pots(ledger, 2) == {"available": 500}


# --- balances


@with_ledger
async def test_balances_come_in_the_order_asked_and_are_zeros_for_the_unknown(ledger: Ledger):
    await ledger.open(1, 1_000)
    await ledger.open(2, 2_000)
    rows = await ledger.balances([2, 99, 1, 2])
    assert [row.budget for row in rows] == [2_000, 0, 1_000, 2_000]
    assert rows[1] == Balance()
    assert await ledger.balances([]) == []
