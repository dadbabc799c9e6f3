"""What one caller's bids hold of a campaign's money: a share until they are paid, more once some were."""

from __future__ import annotations

from rtb.ledger import CALLER_HOLDS_ENOUGH, Closing, Division, Grant, Ledger, NoticeOutcome, Terms
from rtb.money.accounts import arm_of
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import EXPIRES, NOW, balance, bid, pots, with_ledger

ENOUGH = CALLER_HOLDS_ENOUGH
THIEF, HONEST = 666, 7


def asked(
    lease: int, micros: int, caller: int = THIEF, *, least: int = 0, share: float = 0.5, campaign: int = 1
) -> Grant:
    """Lease this much for the bids of a caller."""
    useful = least or micros
    return Grant(lease, campaign, least or micros, 1.0, EXPIRES, micros, useful, caller=caller, caller_share=share)


@with_ledger
async def test_a_caller_holds_no_more_than_its_share_and_others_have_the_rest(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await ledger.lease([asked(1, 300), asked(2, 200), asked(3, 1)]) == [300, 200, ENOUGH]
    assert await ledger.lease([asked(4, 500, HONEST), asked(5, 1, HONEST)]) == [500, 0]
    assert await pots(ledger) == {"leased": 1_000}


@with_ledger
async def test_what_would_go_beyond_it_is_cut_as_far_as_it_is_of_use(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await ledger.lease([asked(1, 400), asked(2, 200, least=50)]) == [400, 100]


@with_ledger
async def test_what_is_reserved_counts_after_its_lease_is_closed_and_the_rest_does_not(ledger: Ledger):
    await ledger.open(1, 1_000)
    await ledger.lease([asked(1, 500)])
    await ledger.close([Closing(1, 400)])
    assert await ledger.lease([asked(2, 101), asked(3, 100)]) == [ENOUGH, 100]


@with_ledger
async def test_without_a_bound_it_holds_all(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await ledger.lease([asked(1, 600, share=1.0), asked(2, 400, share=1.0)]) == [600, 400]


@with_ledger
async def test_whoever_holds_nothing_may_make_one_bid(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await ledger.lease([asked(1, 900), asked(2, 1)]) == [900, ENOUGH]


@with_ledger
async def test_what_is_lost_or_expires_is_held_no_longer(ledger: Ledger):
    await ledger.open(1, 1_000)
    await ledger.lease([asked(7, 500)])
    assert await ledger.release(bid(1, 100), NOW) is NoticeOutcome.FREED
    assert await ledger.lease([asked(8, 101), asked(8, 100)]) == [ENOUGH, 100]
    await ledger.close([Closing(7, 500)])
    assert await ledger.release(bid(2, 100), NOW) is NoticeOutcome.FREED
    assert await ledger.lease([asked(9, 101), asked(9, 100)]) == [ENOUGH, 100]
    assert await ledger.reclaim(EXPIRES + 1) == 500
    assert await ledger.lease([asked(10, 501), asked(11, 1)]) == [501, ENOUGH]


@with_ledger
async def test_who_pays_may_hold_more_and_loses_that_by_not_paying(ledger: Ledger):
    await ledger.open(1, 100_000)
    await ledger.lease([asked(7, 50_000)])
    assert await ledger.settle(bid(1, 100), Kind.BILL, 100, NOW) is NoticeOutcome.SETTLED
    await ledger.close([Closing(7, 50_000)])
    # Half of the 99,900 left, and a hundred times what was paid, less the 49,900 that it holds.
    assert await ledger.lease([asked(8, 10_051), asked(9, 10_050)]) == [ENOUGH, 10_050]
    await ledger.close([Closing(9, 10_050)])
    await ledger.reclaim(EXPIRES + 1)
    assert await ledger.lease([asked(10, 49_950), asked(11, 1)]) == [49_950, ENOUGH]


@with_ledger
async def test_no_credit_is_larger_than_the_budget(ledger: Ledger):
    await ledger.open(1, 1_000)
    await ledger.lease([asked(7, 500)])
    await ledger.settle(bid(1, 100), Kind.BILL, 100, NOW)
    await ledger.close([Closing(7, 100)])
    assert await ledger.lease([asked(8, 900)]) == [900]
    await ledger.close([Closing(8, 900)])
    await ledger.reclaim(EXPIRES + 1)  # the credit is 1,000 less 900 then
    assert await ledger.lease([asked(9, 550), asked(10, 1)]) == [550, ENOUGH]


@with_ledger
async def test_a_lease_for_anybody_is_its_callers_once_it_says_who_that_was(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await ledger.lease([Grant(1, 1, 300, 0.0, EXPIRES)]) == [300]
    await ledger.close([Closing(1, 200, caller=THIEF)])
    assert await ledger.lease([asked(2, 301), asked(3, 300)]) == [ENOUGH, 300]
    await ledger.reclaim(EXPIRES + 1)
    assert await ledger.lease([asked(4, 500)]) == [500]


@with_ledger
async def test_of_a_day_it_holds_a_share_of_what_is_left(ledger: Ledger):
    await ledger.open(1, Terms(1_000, 100))
    assert await ledger.lease([asked(1, 40), asked(2, 11), asked(3, 10)]) == [40, ENOUGH, 10]


@with_ledger
async def test_what_an_arm_knew_of_callers_is_its_campaigns_when_it_rejoins(ledger: Ledger):
    await ledger.open(1, 10_000)
    arm = arm_of(1, 1)
    assert await ledger.divide([Division(1, arm, 0.5)]) == [5_000]
    assert await ledger.lease([asked(7, 2_500, campaign=arm), asked(8, 1, campaign=arm)]) == [2_500, ENOUGH]
    assert await ledger.settle(bid(1, 10, campaign=arm), Kind.BILL, 10, NOW) is NoticeOutcome.SETTLED
    assert await ledger.rejoin([1]) == [True]
    # Half of 9,990 and 1,000 of credit, less the 2,490 that the arm's lease holds.
    assert await ledger.lease([asked(9, 3_506), asked(10, 3_505)]) == [ENOUGH, 3_505]
    await ledger.close([Closing(7, 2_500)])
    await ledger.reclaim(EXPIRES + 1)
    assert (await balance(ledger)).leased == 0


@with_ledger
async def test_restored_figures_are_held_by_nobody(ledger: Ledger):
    await ledger.open(1, 1_000)
    await ledger.lease([asked(1, 500)])
    figures = (await balance(ledger))._replace(leased=0, available=1_000)
    assert await ledger.restore(1, figures, overwrite=True)
    await ledger.open(1, 1_000)
    assert await ledger.lease([asked(2, 500), asked(3, 1)]) == [500, ENOUGH]
