"""What every ledger does with a lost one's figures and marks."""

from __future__ import annotations

from rtb.ledger import Balance, Grant, Ledger, Mark, NoticeOutcome, Terms
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import EXPIRES, NOW, balance, bid, leased, pots, with_ledger

BILL, WIN, CLICK = Kind.BILL, Kind.WIN, Kind.CLICK

_LOST = Balance(budget=1_000, available=700, spent=300, wins=4, bills=3, losses=2, clicks=1, unfunded=5)


@with_ledger
async def test_figures_are_restored_whole(ledger: Ledger):
    lost = _LOST._replace(price_squares=float(2**60 + 2**20), probability=0.1, levels=2.0**53 + 0.5)
    assert await ledger.restore(1, lost)
    assert await balance(ledger) == lost
    await ledger.open(1, 1_000)
    assert await balance(ledger) == lost
    assert await ledger.settle(bid(), BILL, 60, NOW) is NoticeOutcome.SETTLED
    assert await pots(ledger) == {"available": 640, "spent": 360}


@with_ledger
async def test_figures_are_not_restored_over_money_unless_asked(ledger: Ledger):
    await leased(ledger, 300)
    before = await balance(ledger)
    assert not await ledger.restore(1, _LOST)
    assert await balance(ledger) == before
    assert await ledger.restore(1, _LOST, overwrite=True)
    assert await balance(ledger) == _LOST
    assert await ledger.reclaim(EXPIRES) == 0
    assert await balance(ledger) == _LOST


@with_ledger
async def test_restoring_one_campaign_leaves_the_leases_of_others(ledger: Ledger):
    await leased(ledger, 300)
    assert await ledger.restore(2, _LOST, overwrite=True)
    assert await pots(ledger) == {"available": 700, "leased": 300}
    assert await ledger.reclaim(EXPIRES) == 300


@with_ledger
async def test_what_is_remembered_is_a_duplicate(ledger: Ledger):
    await leased(ledger, 300)
    charged, lost = bid(1), bid(2)
    await ledger.remember(
        [Mark(charged.bid_id, ("bill", "charged", "click"), 60), Mark(lost.bid_id, ("loss", "freed"), 60)]
    )
    before = await balance(ledger)
    assert await ledger.settle(charged, BILL, 50, NOW) is NoticeOutcome.DUPLICATE
    assert await ledger.settle(charged, WIN, 50, NOW) is NoticeOutcome.DUPLICATE
    assert await ledger.count(charged, CLICK, NOW) is NoticeOutcome.DUPLICATE
    assert await ledger.release(lost, NOW) is NoticeOutcome.DUPLICATE
    assert await balance(ledger) == before
    assert await ledger.release(charged, NOW) is NoticeOutcome.CHARGED  # its money is spent
    assert await ledger.settle(lost, BILL, 50, NOW) is NoticeOutcome.SETTLED
    assert await pots(ledger) == {"available": 650, "leased": 300, "spent": 50}  # none of it from the lease


@with_ledger
async def test_a_restored_campaign_keeps_to_the_terms_it_is_opened_with_and_to_what_it_spent_today(ledger: Ledger):
    await ledger.restore(1, Balance(budget=1_000, available=400, spent=600, spent_today=250))
    await ledger.open(1, Terms(1_200, 300))
    grants = [Grant(n, 1, 500, 0.0, EXPIRES, at=NOW, day="2027-01-15", day_ends=NOW + 60) for n in (7, 8)]
    assert await ledger.lease(grants) == [50, 0]
    assert await pots(ledger) == {"available": 550, "leased": 50, "spent": 600}
    next_day = Grant(9, 1, 500, 0.0, EXPIRES, at=NOW + 60, day="2027-01-16", day_ends=NOW + 86_460)
    assert await ledger.lease([next_day]) == [250]  # less what was leased the day before
    await ledger.open(1, Terms(1_200, paused=True))
    assert await ledger.lease([Grant(10, 1, 500, 0.0, EXPIRES, at=NOW)]) == [0]
