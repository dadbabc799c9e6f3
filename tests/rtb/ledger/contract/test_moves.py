"""What every ledger does with budget that goes from one campaign to another: what one loses the other has."""

from __future__ import annotations

from rtb.ledger import Division, Ledger, NoticeOutcome, Terms, Transfer
from rtb.money.accounts import arm_of
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import NOW, balance, bid, leased, pots, with_ledger


async def move(ledger: Ledger, micros: int, source: int = 1, target: int = 2) -> int:
    return (await ledger.move([Transfer(source, target, micros, "all", "a test wants it")], NOW))[0]


@with_ledger
async def test_what_one_loses_the_other_has(ledger: Ledger):
    await ledger.open_all({1: Terms(1_000), 2: Terms(50)})
    assert await move(ledger, 400) == 400
    one, two = await ledger.balances([1, 2])
    assert (one.budget, one.available, one.moved) == (600, 600, -400)
    assert (two.budget, two.available, two.moved) == (450, 450, 400)


@with_ledger
async def test_what_is_promised_or_spent_stays(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.open(2, 10)
    assert await ledger.settle(bid(ceiling=100), Kind.BILL, 80, NOW) is NoticeOutcome.SETTLED
    assert await move(ledger, 5_000) == 720
    assert await pots(ledger) == {"leased": 200, "spent": 80}
    assert (await balance(ledger)).budget == 280
    assert (await balance(ledger, 2)).budget == 730
    assert await move(ledger, 1) == 0


@with_ledger
async def test_the_last_micro_of_a_budget_stays(ledger: Ledger):
    await ledger.open_all({1: Terms(1_000), 2: Terms(50)})
    assert await move(ledger, 5_000) == 999
    assert (await balance(ledger)).budget == 1


@with_ledger
async def test_money_goes_to_and_comes_from_campaigns_that_are_open(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await move(ledger, 10) == 0
    assert await move(ledger, 10, source=2, target=1) == 0
    assert await move(ledger, 10, source=1, target=1) == 0
    assert await move(ledger, 0) == 0
    assert await pots(ledger) == {"available": 1_000}


@with_ledger
async def test_transfers_are_made_in_order(ledger: Ledger):
    await ledger.open_all({1: Terms(100), 2: Terms(1), 3: Terms(1)})
    there, on = Transfer(1, 2, 60, "all", "why"), Transfer(2, 3, 60, "all", "why")
    assert await ledger.move([there, on], NOW) == [60, 60]
    assert [one.budget for one in await ledger.balances([1, 2, 3])] == [40, 1, 61]


@with_ledger
async def test_a_budget_changed_by_its_owner_keeps_what_was_moved(ledger: Ledger):
    await ledger.open_all({1: Terms(1_000), 2: Terms(50)})
    await move(ledger, 400)
    await ledger.open_all({1: Terms(2_000), 2: Terms(60)})
    assert [one.budget for one in await ledger.balances([1, 2])] == [1_600, 460]
    await ledger.open_all({1: Terms(100), 2: Terms(60)})  # less than went to the other
    assert (await balance(ledger)).budget == 1


@with_ledger
async def test_an_arm_gets_its_share_of_what_came(ledger: Ledger):
    arm = arm_of(1, 1)
    await ledger.open_all({1: Terms(1_000), 2: Terms(1_000)})
    await ledger.divide([Division(1, arm, 0.5)])
    assert await move(ledger, 400, source=2, target=1) == 400
    assert await ledger.divide([Division(1, arm, 0.5)]) == [700]
    assert await move(ledger, 5_000) == 699  # what the arm has is not the campaign's to give
    await ledger.rejoin([1])
    one = await balance(ledger)
    assert (one.budget, one.moved) == (701, -299)
    await ledger.open(1, 1_000)
    assert (await balance(ledger)).budget == 701


@with_ledger
async def test_a_ledger_made_again_knows_what_was_moved(ledger: Ledger):
    await ledger.open_all({1: Terms(1_000), 2: Terms(50)})
    await move(ledger, 400)
    before = await ledger.balances([1, 2])
    for number, one in zip((1, 2), before, strict=True):
        assert await ledger.restore(number, one, overwrite=True)
    await ledger.open_all({1: Terms(1_000), 2: Terms(50)})
    assert await ledger.balances([1, 2]) == before
