"""What every ledger does with a campaign's arm: money divided, kept apart, joined again; never more than there is."""

from __future__ import annotations

import pytest

from rtb.ledger import Balance, Closing, Day, Division, Grant, Ledger, NoticeOutcome, Terms, Usage
from rtb.money.accounts import arm_of
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import EXPIRES, NOW, balance, bid, leased, pots, with_ledger

ARM, NEXT_ARM = arm_of(1, 1), arm_of(1, 2)
BILL = Kind.BILL
NO_DAY, TODAY, TOMORROW = Day(), Day("2027-01-15", NOW + 50), Day("2027-01-16", NOW + 100_000)


async def divide(ledger: Ledger, share: float = 0.2, arm: int = ARM) -> int:
    return (await ledger.divide([Division(1, arm, share)]))[0]


async def lease(
    ledger: Ledger, micros: int, *, number: int, account: int = ARM, day: Day = NO_DAY, at: float = NOW
) -> int:
    grant = Grant(number, account, micros, 0.0, EXPIRES, at=at, day=day.name, day_ends=day.ends)
    return (await ledger.lease([grant]))[0]


# --- divide


@with_ledger
async def test_an_arm_gets_its_share_of_what_is_available(ledger: Ledger):
    await leased(ledger, 300)
    assert await divide(ledger) == 140
    assert await pots(ledger) == {"available": 560, "leased": 300}
    assert await pots(ledger, ARM) == {"available": 140}
    assert (await balance(ledger)).arm == ARM
    assert (await balance(ledger, ARM)).base == 300


@with_ledger
async def test_dividing_again_changes_nothing(ledger: Ledger):
    await leased(ledger, 300)
    await divide(ledger)
    before = await ledger.balances([1, ARM])
    assert await divide(ledger) == 140
    assert await ledger.balances([1, ARM]) == before


@with_ledger
async def test_nothing_cannot_be_divided(ledger: Ledger):
    assert await divide(ledger) == 0
    await ledger.open(1, 3)
    assert await divide(ledger) == 0
    assert await ledger.balances([1, ARM]) == [Balance(budget=3, available=3), Balance()]


@with_ledger
async def test_a_second_arm_waits_until_the_first_has_rejoined(ledger: Ledger):
    await ledger.open(1, 1_000)
    await divide(ledger)
    assert await divide(ledger, arm=NEXT_ARM) == 0
    assert await ledger.rejoin([1]) == [True]
    assert await divide(ledger, 0.5, NEXT_ARM) == 500


@pytest.mark.parametrize(("budget", "own", "arms"), [(1_500, 1_200, 300), (900, 720, 180)])
@with_ledger
async def test_what_a_budget_is_changed_by_is_divided_too(ledger: Ledger, budget: int, own: int, arms: int):
    await ledger.open(1, 1_000)
    await divide(ledger)
    await ledger.open(1, budget)
    assert (await balance(ledger)).budget == budget - 200
    await divide(ledger)
    assert ((await balance(ledger)).budget, (await balance(ledger, ARM)).budget) == (own, arms)


@with_ledger
async def test_money_that_is_held_is_not_moved(ledger: Ledger):
    await ledger.open(1, 1_000)
    await divide(ledger)
    assert await lease(ledger, 200, number=9) == 200
    await ledger.open(1, 500)
    assert await divide(ledger) == 200
    await ledger.close([Closing(9, 0)])
    assert await divide(ledger) == 100
    assert (await balance(ledger)).budget == 400


# --- an arm's account


@with_ledger
async def test_arms_spend_their_own_money_only(ledger: Ledger):
    await ledger.open(1, 1_000)
    await divide(ledger)
    assert await lease(ledger, 500, number=9) == 200
    assert await ledger.settle(bid(1, lease=9, campaign=ARM), BILL, 60, NOW) is NoticeOutcome.SETTLED
    assert await pots(ledger) == {"available": 800}
    assert await pots(ledger, ARM) == {"available": 40, "leased": 100, "spent": 60}


@with_ledger
async def test_an_arm_is_under_its_campaigns_terms(ledger: Ledger):
    await ledger.open(1, 1_000)
    await divide(ledger)
    await ledger.open(1, Terms(1_000, paused=True))
    assert await lease(ledger, 10, number=9) == 0
    await ledger.open(1, Terms(1_000, starts=NOW, ends=NOW + 10))
    assert await lease(ledger, 10, number=9, at=NOW + 10) == 0
    assert await lease(ledger, 10, number=9) == 10


# --- days


@with_ledger
async def test_a_day_is_divided_by_what_is_left_of_it_and_the_next_by_all_of_it(ledger: Ledger):
    await ledger.open(1, Terms(10_000, 100))
    assert await lease(ledger, 40, number=7, account=1, day=TODAY) == 40
    await divide(ledger, 0.5)
    assert [b.daily for b in await ledger.balances([1, ARM])] == [70, 30]
    assert await lease(ledger, 90, number=8, account=1, day=TODAY) == 30
    assert await lease(ledger, 90, number=9, day=TODAY) == 30
    await ledger.close([Closing(7, 0), Closing(8, 0), Closing(9, 0)])
    await divide(ledger, 0.5)
    assert [b.daily for b in await ledger.balances([1, ARM])] == [70, 30]
    assert await lease(ledger, 1, number=10, account=1, day=TOMORROW, at=NOW + 60) == 1
    await divide(ledger, 0.5)
    assert [b.daily for b in await ledger.balances([1, ARM])] == [50, 50]


@with_ledger
async def test_room_of_the_day_that_is_used_is_not_moved_to_the_arm(ledger: Ledger):
    await ledger.open(1, Terms(10_000, 100))
    assert await lease(ledger, 90, number=7, account=1, day=TODAY) == 90
    await divide(ledger, 0.5)
    await ledger.close([Closing(7, 0)])
    assert await lease(ledger, 80, number=8, account=1, day=TOMORROW, at=NOW + 60) == 80
    await divide(ledger, 0.5)
    assert [b.daily for b in await ledger.balances([1, ARM])] == [80, 20]
    await ledger.close([Closing(8, 0)])
    await divide(ledger, 0.5)
    assert [b.daily for b in await ledger.balances([1, ARM])] == [50, 50]


@with_ledger
async def test_room_of_the_day_that_the_arm_uses_is_not_moved_back(ledger: Ledger):
    await ledger.open(1, Terms(10_000, 100))
    await divide(ledger, 0.9)
    assert await lease(ledger, 1, number=7, account=1, day=TODAY) == 1
    assert await lease(ledger, 80, number=9, day=TODAY) == 80
    await divide(ledger, 0.5)
    assert [b.daily for b in await ledger.balances([1, ARM])] == [20, 80]


@with_ledger
async def test_a_day_that_is_over_for_the_campaign_is_not_divided(ledger: Ledger):
    await ledger.open(1, Terms(10_000, 100))
    assert await lease(ledger, 100, number=7, account=1, day=TODAY) == 100
    assert await divide(ledger) == 0
    assert (await balance(ledger)).arm == 0


@pytest.mark.parametrize(("daily", "own", "arms"), [(200, 180, 20), (15, 1, 14), (2, 1, 1), (1, 1, 0), (0, 0, 0)])
@with_ledger
async def test_a_changed_daily_limit_holds_for_both_together(ledger: Ledger, daily: int, own: int, arms: int):
    await ledger.open(1, Terms(10_000, 100))
    await divide(ledger)
    await ledger.open(1, Terms(10_000, daily))
    assert [b.daily for b in await ledger.balances([1, ARM])] == [own, arms]
    if daily == 1:
        assert await lease(ledger, 5, number=9) == 0
    await ledger.rejoin([1])
    assert (await balance(ledger)).daily == daily


@with_ledger
async def test_a_new_daily_limit_is_divided_from_the_next_day_on(ledger: Ledger):
    await ledger.open(1, 10_000)
    assert await lease(ledger, 10, number=7, account=1, day=TODAY) == 10
    await divide(ledger)
    await ledger.open(1, Terms(10_000, 100))
    assert [b.daily for b in await ledger.balances([1, ARM])] == [99, 1]
    assert await lease(ledger, 10, number=8, account=1, day=TOMORROW, at=NOW + 60) == 10
    await divide(ledger)
    assert [b.daily for b in await ledger.balances([1, ARM])] == [80, 20]


# --- rejoin


@with_ledger
async def test_what_an_arm_has_and_counted_is_its_campaigns_again(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.settle(bid(1), BILL, 50, NOW)
    await divide(ledger)
    await lease(ledger, 100, number=9)
    await ledger.settle(bid(1, lease=9, campaign=ARM), BILL, 70, NOW)
    await ledger.count(bid(1, lease=9, campaign=ARM), Kind.CLICK, NOW)
    await ledger.report([Usage(1, 5, 4, 0.5), Usage(ARM, 3, 2, 0.25)])
    assert await ledger.rejoin([1, 2]) == [True, False]
    joined = await balance(ledger)
    assert joined == Balance(
        budget=1_000,
        available=680,
        leased=200,
        spent=120,
        opportunities=8,
        bids=6,
        bills=2,
        clicks=1,
        probability=0.75,
        price_squares=50.0**2 + 70.0**2,
        spent_today=120,
    )
    assert await balance(ledger, ARM) == Balance()
    assert await ledger.rejoin([1]) == [False]


@with_ledger
async def test_leases_and_bids_of_an_arm_go_on_as_its_campaigns(ledger: Ledger):
    await ledger.open(1, 1_000)
    await divide(ledger)
    await lease(ledger, 200, number=9)
    await ledger.rejoin([1])
    assert await lease(ledger, 10, number=10) == 0
    assert await ledger.settle(bid(1, lease=9, campaign=ARM), BILL, 60, NOW) is NoticeOutcome.SETTLED
    assert await pots(ledger) == {"available": 840, "leased": 100, "spent": 60}
    await ledger.close([Closing(9, 200, NOW + 20)])
    assert await pots(ledger) == {"available": 840, "reserved": 100, "spent": 60}
    assert await ledger.release(bid(2, ceiling=30, lease=9, campaign=ARM), NOW) is NoticeOutcome.FREED
    assert await ledger.count(bid(1, lease=9, campaign=ARM), Kind.CLICK, NOW) is NoticeOutcome.COUNTED
    await ledger.report([Usage(ARM, 3, 2, 0.25)])
    assert await ledger.reclaim(NOW + 20) == 70
    joined = await balance(ledger)
    assert (joined.available, joined.clicks, joined.losses, joined.opportunities) == (940, 1, 1, 3)


@with_ledger
async def test_leases_of_a_former_arm_are_not_the_next_ones(ledger: Ledger):
    await ledger.open(1, 1_000)
    await divide(ledger)
    await lease(ledger, 200, number=9)
    await ledger.rejoin([1])
    await divide(ledger, 0.2, NEXT_ARM)
    await ledger.close([Closing(9, 0)])
    assert await pots(ledger) == {"available": 840}
    assert await pots(ledger, NEXT_ARM) == {"available": 160}


@pytest.mark.parametrize("later", [1, ARM])
@with_ledger
async def test_what_was_spent_on_a_day_that_one_of_both_has_not_heard_of_counts_to_it(ledger: Ledger, later: int):
    await ledger.open(1, Terms(10_000, 100))
    await lease(ledger, 40, number=7, account=1, day=TODAY)
    await divide(ledger, 0.5)
    await lease(ledger, 30, number=9, day=TODAY)
    other = ARM if later == 1 else 1
    held = {1: bid(1, lease=7, ceiling=30), ARM: bid(1, lease=9, ceiling=30, campaign=ARM)}
    await ledger.settle(held[other], BILL, 20, NOW + 60)  # tomorrow, which only the other one knows
    await lease(ledger, 1, number=10, account=later, day=TOMORROW, at=NOW + 60)
    await ledger.rejoin([1])
    joined = await balance(ledger)
    assert (joined.spent_today, joined.spent_next, joined.day_ends) == (20, 0, TOMORROW.ends)


@with_ledger
async def test_restored_figures_are_all_of_the_campaign(ledger: Ledger):
    await ledger.open(1, 1_000)
    await divide(ledger)
    await lease(ledger, 200, number=9)
    assert await ledger.restore(1, Balance(budget=1_000, available=900, spent=100), overwrite=True)
    assert await balance(ledger, ARM) == Balance()
    assert await pots(ledger) == {"available": 900, "spent": 100}
    assert await ledger.reclaim(EXPIRES + 1) == 0
    await ledger.open(1, 1_000)
    assert await divide(ledger) == 180
