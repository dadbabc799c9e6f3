"""What every ledger does with leases: handed to replicas, closed, taken back in time."""

from __future__ import annotations

import pytest

from rtb.ledger import Closing, Grant, Ledger, NoticeOutcome
from rtb.settlement.notice_tokens import Kind
from tests.rtb.ledger.support import EXPIRES, NOW, bid, leased, pots, with_ledger

BILL = Kind.BILL


# --- lease


@with_ledger
async def test_a_lease_takes_its_share_of_what_is_available(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await ledger.lease([Grant(7, 1, 0, 0.25, EXPIRES)]) == [250]
    assert await ledger.lease([Grant(8, 1, 0, 0.25, EXPIRES)]) == [188]  # of 750, rounded up
    assert await pots(ledger) == {"available": 562, "leased": 438}


@with_ledger
async def test_a_lease_takes_the_least_it_needs_when_that_is_more_than_its_share(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await ledger.lease([Grant(7, 1, 400, 0.25, EXPIRES)]) == [400]


@with_ledger
async def test_a_lease_takes_what_there_is_when_that_is_less_than_it_needs(ledger: Ledger):
    await ledger.open(1, 1_000)
    assert await ledger.lease([Grant(7, 1, 5_000, 0.5, EXPIRES)]) == [1_000]
    assert await ledger.lease([Grant(8, 1, 1, 1.0, EXPIRES)]) == [0]
    assert await pots(ledger) == {"leased": 1_000}


@pytest.mark.parametrize(("least", "most", "granted"), [(0, 100, 100), (0, 900, 250), (400, 100, 400), (0, 0, 0)])
@with_ledger
async def test_a_lease_takes_no_more_than_it_expects_to_bid(ledger: Ledger, least: int, most: int, granted: int):
    await ledger.open(1, 1_000)
    assert await ledger.lease([Grant(7, 1, least, 0.25, EXPIRES, most)]) == [granted]


@pytest.mark.parametrize(("useful", "granted"), [(0, 250), (250, 250), (251, 0)])
@with_ledger
async def test_a_piece_too_small_to_be_of_use_is_left_for_others(ledger: Ledger, useful: int, granted: int):
    await ledger.open(1, 1_000)
    assert await ledger.lease([Grant(7, 1, 0, 0.25, EXPIRES, useful_micros=useful)]) == [granted]


@with_ledger
async def test_grants_of_one_call_are_answered_in_order(ledger: Ledger):
    await ledger.open(1, 1_000)
    await ledger.open(2, 100)
    grants = [Grant(1, 2, 0, 1.0, EXPIRES), Grant(2, 3, 10, 1.0, EXPIRES), Grant(3, 1, 0, 0.1, EXPIRES)]
    assert await ledger.lease(grants) == [100, 0, 100]
    assert await ledger.lease([]) == []


@with_ledger
async def test_a_lease_number_is_granted_once(ledger: Ledger):
    await leased(ledger, 300)
    assert await ledger.lease([Grant(7, 1, 100, 0.0, EXPIRES)]) == [0]
    await ledger.close([Closing(7, 0)])
    assert await ledger.lease([Grant(7, 1, 100, 0.0, EXPIRES)]) == [0]
    assert await pots(ledger) == {"available": 1_000}


@with_ledger
async def test_a_lease_of_nothing_leaves_its_number_free(ledger: Ledger):
    await ledger.open(1, 0)
    assert await ledger.lease([Grant(7, 1, 100, 0.0, EXPIRES)]) == [0]
    await ledger.open(1, 1_000)
    assert await ledger.lease([Grant(7, 1, 100, 0.0, EXPIRES)]) == [100]


@with_ledger
async def test_the_largest_lease_number_is_as_good_as_any(ledger: Ledger):
    number = 2**64 - 1
    await leased(ledger, 300, lease=number)
    assert await ledger.settle(bid(lease=number), BILL, 90, NOW) is NoticeOutcome.SETTLED
    await ledger.close([Closing(number, 100)])
    assert await pots(ledger) == {"available": 910, "spent": 90}


# --- close


@with_ledger
async def test_closing_an_unused_lease_returns_all_of_it(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.close([Closing(7, 0)])
    assert await pots(ledger) == {"available": 1_000}


@with_ledger
async def test_closing_keeps_what_bids_may_still_cost(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.close([Closing(7, 200)])
    assert await pots(ledger) == {"available": 800, "reserved": 200}


@with_ledger
async def test_closing_counts_out_the_bids_already_settled_and_released(ledger: Ledger):
    await leased(ledger, 400)
    await ledger.settle(bid(1), BILL, 40, NOW)
    await ledger.release(bid(2), NOW)
    await ledger.close([Closing(7, 300)])
    assert await pots(ledger) == {"available": 860, "reserved": 100, "spent": 40}


@with_ledger
async def test_a_closed_lease_goes_back_when_the_last_of_its_bids_has_expired(ledger: Ledger):
    await leased(ledger, 300)
    await leased(ledger, 200, lease=8)
    await ledger.close([Closing(7, 200, NOW + 10), Closing(8, 50, EXPIRES + 10)])
    assert await ledger.reclaim(NOW + 9) == 0
    assert await ledger.reclaim(NOW + 10) == 200
    assert await ledger.reclaim(EXPIRES) == 0  # closing may put it off as well
    assert await ledger.reclaim(EXPIRES + 10) == 50


@with_ledger
async def test_closing_twice_is_closing_once(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.close([Closing(7, 200), Closing(7, 200)])
    await ledger.close([Closing(7, 0)])
    assert await pots(ledger) == {"available": 800, "reserved": 200}


@with_ledger
async def test_closing_never_reserves_more_than_was_leased(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.close([Closing(7, 9_999)])
    assert await pots(ledger) == {"available": 700, "reserved": 300}


@with_ledger
async def test_closing_an_unknown_lease_or_none_does_nothing(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.close([])
    await ledger.close([Closing(99, 100)])
    assert await pots(ledger) == {"available": 700, "leased": 300}


# --- reclaim


@with_ledger
async def test_a_lease_goes_back_at_its_expiry_and_not_before(ledger: Ledger):
    await leased(ledger, 300)
    assert await ledger.reclaim(EXPIRES - 1) == 0
    assert await pots(ledger) == {"available": 700, "leased": 300}
    assert await ledger.reclaim(EXPIRES) == 300
    assert await ledger.reclaim(EXPIRES) == 0
    assert await pots(ledger) == {"available": 1_000}


@with_ledger
async def test_what_a_closed_lease_still_reserves_goes_back_too(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.close([Closing(7, 200)])
    await ledger.settle(bid(), BILL, 60, NOW)
    assert await ledger.reclaim(EXPIRES) == 100
    assert await pots(ledger) == {"available": 940, "spent": 60}


@with_ledger
async def test_only_expired_leases_go_back(ledger: Ledger):
    await ledger.open(1, 1_000)
    await ledger.open(2, 1_000)
    grants = [Grant(7, 1, 100, 0.0, NOW), Grant(8, 1, 200, 0.0, NOW + 1), Grant(9, 2, 400, 0.0, NOW)]
    await ledger.lease(grants)
    assert await ledger.reclaim(NOW) == 500
    assert await pots(ledger, 1) == {"available": 800, "leased": 200}
    assert await pots(ledger, 2) == {"available": 1_000}


@with_ledger
async def test_closing_a_lease_that_went_back_does_nothing(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.reclaim(EXPIRES)
    await ledger.close([Closing(7, 300)])
    assert await pots(ledger) == {"available": 1_000}


@with_ledger
async def test_any_number_of_leases_goes_back_in_one_call(ledger: Ledger):
    await ledger.open(1, 10_000)
    await ledger.lease([Grant(number, 1, 10, 0.0, EXPIRES) for number in range(1_000)])
    assert await pots(ledger) == {"leased": 10_000}
    assert await ledger.reclaim(EXPIRES) == 10_000
    assert await pots(ledger) == {"available": 10_000}
