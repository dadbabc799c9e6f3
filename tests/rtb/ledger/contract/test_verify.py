"""What every ledger does with campaigns of which more is known elsewhere than it knows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rtb.ledger import Balance, Division, Floor, Grant, Ledger, NoticeOutcome, Transfer
from rtb.money.accounts import arm_of
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import EXPIRES, NOW, balance, bid, leased, with_ledger

BILL, CLICK = Kind.BILL, Kind.CLICK


@dataclass(frozen=True)
class _Found:
    """What became of everything that could be done to a campaign."""

    leased: int
    settled: NoticeOutcome
    released: NoticeOutcome
    counted: NoticeOutcome
    moved: list[int]
    divided: int


async def _all_of_it(ledger: Ledger, account: int = 1) -> _Found:
    (amount,) = await ledger.lease([Grant(99, account, 10, 0.0, EXPIRES)])
    return _Found(
        amount,
        await ledger.settle(bid(71)._replace(campaign=account), BILL, 5, NOW),
        await ledger.release(bid(72)._replace(campaign=account), NOW),
        await ledger.count(bid(73)._replace(campaign=account), CLICK, NOW),
        await ledger.move([Transfer(1, 2, 5, "p", "w"), Transfer(2, 1, 5, "p", "w")], NOW),
        (await ledger.divide([Division(1, arm_of(1, 3), 0.2)]))[0],
    )


_STOPPED = _Found(0, NoticeOutcome.BEHIND, NoticeOutcome.BEHIND, NoticeOutcome.BEHIND, [0, 0], 0)


@with_ledger
async def test_a_campaign_that_knows_of_less_spend_is_stopped_whole(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.open(2, 1_000)
    assert await ledger.settle(bid(1), BILL, 50, NOW) is NoticeOutcome.SETTLED
    assert await ledger.verify([Floor(1, 50), Floor(2, 0)]) == []
    assert (await balance(ledger)).behind == 0
    assert await ledger.verify([Floor(1, 51), Floor(2, 0)]) == [1]
    before = await ledger.balances([1, 2])
    assert before[0].behind == 1
    assert await _all_of_it(ledger) == _STOPPED
    assert await ledger.balances([1, 2]) == before
    assert await ledger.settle(bid(1), BILL, 50, NOW) is NoticeOutcome.BEHIND  # its mark may be lost as well


@with_ledger
async def test_what_was_refused_left_no_mark_and_counts_once_it_is_restored(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.verify([Floor(1, 70)])
    assert await ledger.settle(bid(1), BILL, 50, NOW) is NoticeOutcome.BEHIND
    assert await ledger.restore(1, Balance(budget=1_000, available=930, spent=70), overwrite=True)
    assert await ledger.verify([Floor(1, 70)]) == []
    assert await ledger.settle(bid(1), BILL, 50, NOW) is NoticeOutcome.SETTLED
    assert await ledger.settle(bid(1), BILL, 50, NOW) is NoticeOutcome.DUPLICATE
    assert (await balance(ledger)).spent == 120


@with_ledger
async def test_a_floor_that_fell_lets_the_campaign_go_on(ledger: Ledger):
    """As where an older copy of the catalog was restored as well."""
    await ledger.open(1, 1_000)
    assert await ledger.verify([Floor(1, 10)]) == [1]
    assert await ledger.verify([Floor(1, 0)]) == []
    assert await ledger.lease([Grant(9, 1, 10, 0.0, EXPIRES)]) == [10]


@pytest.mark.parametrize("spent", [50, 51])
@with_ledger
async def test_an_arms_spend_counts_to_its_campaign_and_both_are_stopped(ledger: Ledger, spent: int):
    await ledger.open(1, 1_000)
    arm = arm_of(1, 3)
    assert await ledger.divide([Division(1, arm, 0.5)]) == [500]
    await ledger.lease([Grant(7, arm, 300, 0.0, EXPIRES)])
    assert await ledger.settle(bid(1)._replace(campaign=arm, lease=7), BILL, 50, NOW) is NoticeOutcome.SETTLED
    assert await ledger.verify([Floor(1, spent)]) == ([1] if spent > 50 else [])
    if spent > 50:
        await ledger.open(2, 1_000)
        assert await _all_of_it(ledger, arm) == _STOPPED
        assert await ledger.rejoin([1]) == [True]
        assert await _all_of_it(ledger, arm) == _STOPPED
        assert (await balance(ledger)).behind == 1


@with_ledger
async def test_a_campaign_that_gave_budget_away_does_not_have_it_again(ledger: Ledger):
    for number in (1, 2):
        await ledger.open(number, 1_000)
    assert await ledger.move([Transfer(1, 2, 300, "p", "w"), Transfer(2, 1, 100, "p", "w")], NOW) == [300, 100]
    assert await ledger.verify([Floor(1, 0, 300), Floor(2, 0, 100)]) == []
    assert await ledger.verify([Floor(1, 0, 301), Floor(2, 0, 100)]) == [1]


@with_ledger
async def test_what_a_restored_campaign_gave_is_what_is_known_of_it(ledger: Ledger):
    await ledger.open(2, 1_000)
    await ledger.restore(1, Balance(budget=700, available=700, moved=-300, given=300))
    assert await ledger.verify([Floor(1, 0, 300)]) == []
    await ledger.move([Transfer(1, 2, 50, "p", "w")], NOW)
    assert await ledger.verify([Floor(1, 0, 350)]) == []
    assert await ledger.verify([Floor(1, 0, 351)]) == [1]


@with_ledger
async def test_a_campaign_that_was_never_opened_is_left_out(ledger: Ledger):
    assert await ledger.verify([Floor(1, 100)]) == []
    assert await balance(ledger) == Balance()
    assert await ledger.settle(bid(1), BILL, 5, NOW) is NoticeOutcome.UNKNOWN
