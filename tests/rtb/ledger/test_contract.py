"""What every ledger does, operation by operation; the pots are added up after each (`Watched`)."""

from __future__ import annotations

import pytest

from rtb.ledger import Balance, Closing, Day, Grant, Ledger, Mark, Outcome, Terms, Usage
from rtb.money import MAX_MICROS
from rtb.notices import Kind
from tests.conftest import Valkey
from tests.rtb.ledger.support import (
    EXPIRES,
    NOW,
    Ledgers,
    balance,
    bid,
    memory_ledger,
    pots,
    valkey_ledgers,
    with_ledger,
)

BILL, WIN, LOSS, CLICK, CONVERSION = Kind.BILL, Kind.WIN, Kind.LOSS, Kind.CLICK, Kind.CONVERSION


@pytest.fixture(params=["memory", "valkey"])
def ledgers(request: pytest.FixtureRequest) -> Ledgers:
    if request.param == "memory":
        return memory_ledger
    valkey: Valkey = request.getfixturevalue("valkey")
    return valkey_ledgers(valkey)


async def leased(ledger: Ledger, micros: int, *, budget: int = 1_000, lease: int = 7) -> None:
    """Open campaign 1 and lease some of its money."""
    await ledger.open(1, budget)
    assert await ledger.lease([Grant(lease, 1, micros, 0.0, EXPIRES)]) == [micros]


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
    assert await ledger.settle(bid(), BILL, 1, NOW) is Outcome.UNFUNDED


@with_ledger
async def test_campaigns_do_not_touch_each_other(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.open(2, 500)
    await ledger.settle(bid(), BILL, 50, NOW)
    assert await pots(ledger, 2) == {"available": 500}


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
    assert await ledger.settle(bid(lease=number), BILL, 90, NOW) is Outcome.SETTLED
    await ledger.close([Closing(number, 100)])
    assert await pots(ledger) == {"available": 910, "spent": 90}


# --- terms

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
    assert await ledger.settle(bid(), BILL, 60, NOW) is Outcome.SETTLED
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


@pytest.mark.parametrize(("daily", "outcome"), [(299, Outcome.UNFUNDED), (300, Outcome.SETTLED), (0, Outcome.SETTLED)])
@with_ledger
async def test_a_charge_without_money_held_does_not_break_the_day(ledger: Ledger, daily: int, outcome: Outcome):
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
    assert await ledger.settle(bid(1), BILL, 100, NOW) is Outcome.SETTLED
    await ledger.close([Closing(7, 100)])
    assert await ask(ledger, 8) == 0
    assert await ask(ledger, 8, DAY.ends, NEXT_DAY) == 50


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


# --- settle


@pytest.mark.parametrize(("price", "spent"), [(0, 0), (60, 60), (99, 99), (100, 100), (101, 100), (5_000, 100)])
@pytest.mark.parametrize("closed", [False, True], ids=["before the close", "after the close"])
@with_ledger
async def test_a_bid_costs_its_price_but_never_more_than_was_bid(ledger: Ledger, price: int, spent: int, closed: bool):
    await leased(ledger, 300)
    if closed:
        await ledger.close([Closing(7, 300)])
    assert await ledger.settle(bid(), BILL, price, NOW) is Outcome.SETTLED
    after = await balance(ledger)
    assert after.spent == spent
    assert after.available == 700 + 100 - spent  # what the price left of the ceiling is back at once
    assert (after.leased, after.reserved) == ((0, 200) if closed else (200, 0))
    assert (after.bills, after.wins, after.price_squares) == (1, 0, spent**2)


@with_ledger
async def test_a_repeated_notice_is_a_duplicate_and_free(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.settle(bid(), BILL, 60, NOW)
    before = await balance(ledger)
    for price in (60, 0, 100):
        assert await ledger.settle(bid(), BILL, price, NOW) is Outcome.DUPLICATE
    assert await balance(ledger) == before


@pytest.mark.parametrize(("first", "second"), [(WIN, BILL), (BILL, WIN)])
@with_ledger
async def test_a_bid_is_charged_once_whichever_notice_charges(ledger: Ledger, first: Kind, second: Kind):
    await leased(ledger, 300)
    assert await ledger.settle(bid(), first, 60, NOW) is Outcome.SETTLED
    assert await ledger.settle(bid(), second, 60, NOW) is Outcome.DUPLICATE
    assert await pots(ledger) == {"available": 740, "leased": 200, "spent": 60}


@with_ledger
async def test_a_charge_on_the_win_is_counted_as_a_win(ledger: Ledger):
    await leased(ledger, 300)
    assert await ledger.settle(bid(), WIN, 60, NOW) is Outcome.SETTLED
    after = await balance(ledger)
    assert (after.wins, after.bills) == (1, 0)


@with_ledger
async def test_bids_of_one_lease_settle_apart(ledger: Ledger):
    await leased(ledger, 300)
    assert [await ledger.settle(bid(n), BILL, 50 + n, NOW) for n in (1, 2, 3)] == [Outcome.SETTLED] * 3
    after = await balance(ledger)
    assert (after.spent, after.leased, after.price_squares) == (156, 0, 51**2 + 52**2 + 53**2)


@with_ledger
async def test_a_bid_charged_after_its_loss_is_paid_from_what_is_available(ledger: Ledger):
    await leased(ledger, 200)
    await ledger.release(bid(1), NOW)
    assert await ledger.settle(bid(1), BILL, 60, NOW) is Outcome.SETTLED
    assert await pots(ledger) == {"available": 840, "leased": 100, "spent": 60}  # the other bid's money is untouched


@with_ledger
async def test_a_bid_charged_after_its_loss_leaves_other_bids_their_money(ledger: Ledger):
    await leased(ledger, 200, budget=200)
    await ledger.open(1, 0)  # nothing is available but what comes back
    await ledger.close([Closing(7, 200)])
    await ledger.release(bid(1), NOW)
    assert await ledger.lease([Grant(8, 1, 100, 1.0, EXPIRES)]) == [100]
    assert await ledger.settle(bid(1), BILL, 60, NOW) is Outcome.UNFUNDED
    assert await ledger.settle(bid(2), BILL, 100, NOW) is Outcome.SETTLED
    assert await pots(ledger) == {"leased": 100, "spent": 100}


@with_ledger
async def test_a_loss_between_win_and_bill_does_not_lose_the_bids_money(ledger: Ledger):
    await leased(ledger, 100, budget=100)
    await ledger.count(bid(), WIN, NOW)
    assert await ledger.release(bid(), NOW) is Outcome.COUNTED
    assert await ledger.settle(bid(), BILL, 60, NOW) is Outcome.SETTLED
    assert await pots(ledger) == {"available": 40, "spent": 60}


@with_ledger
async def test_a_late_charge_after_the_lease_went_back_is_paid_from_what_is_available(ledger: Ledger):
    await leased(ledger, 300)
    assert await ledger.reclaim(EXPIRES) == 300
    assert await ledger.settle(bid(), BILL, 60, EXPIRES) is Outcome.SETTLED
    assert await pots(ledger) == {"available": 940, "spent": 60}


@with_ledger
async def test_what_cannot_be_paid_is_unfunded_and_spends_nothing(ledger: Ledger):
    await leased(ledger, 50, budget=50)
    assert await ledger.settle(bid(ceiling=100), BILL, 60, NOW) is Outcome.UNFUNDED
    after = await balance(ledger)
    assert after == Balance(budget=50, available=50, unfunded=1)
    assert await ledger.settle(bid(ceiling=100), BILL, 60, NOW) is Outcome.DUPLICATE


@with_ledger
async def test_a_price_is_paid_from_the_lease_and_what_is_available_together(ledger: Ledger):
    await leased(ledger, 50, budget=70)
    assert await ledger.settle(bid(ceiling=100), BILL, 70, NOW) is Outcome.SETTLED
    assert await pots(ledger) == {"spent": 70}


@with_ledger
async def test_no_notice_of_an_unknown_campaign_does_anything(ledger: Ledger):
    await leased(ledger, 300)
    stranger = bid(campaign=2)
    assert await ledger.settle(stranger, BILL, 60, NOW) is Outcome.UNKNOWN
    assert await ledger.release(stranger, NOW) is Outcome.UNKNOWN
    assert await ledger.count(stranger, CLICK, NOW) is Outcome.UNKNOWN
    assert await ledger.balances([2]) == [Balance()]
    assert await pots(ledger) == {"available": 700, "leased": 300}


# --- release


@pytest.mark.parametrize("closed", [False, True], ids=["before the close", "after the close"])
@with_ledger
async def test_a_loss_frees_the_bids_money_once(ledger: Ledger, closed: bool):
    await leased(ledger, 300)
    if closed:
        await ledger.close([Closing(7, 300)])
    assert await ledger.release(bid(), NOW) is Outcome.FREED
    assert await ledger.release(bid(), NOW) is Outcome.DUPLICATE
    assert await pots(ledger) == {"available": 800, "reserved" if closed else "leased": 200}
    assert (await balance(ledger)).losses == 1


@with_ledger
async def test_a_loss_after_the_bill_is_counted_only(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.settle(bid(), BILL, 60, NOW)
    assert await ledger.release(bid(), NOW) is Outcome.COUNTED
    assert await pots(ledger) == {"available": 740, "leased": 200, "spent": 60}


@with_ledger
async def test_a_loss_after_the_win_keeps_the_money_for_the_bill(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.count(bid(), WIN, NOW)
    assert await ledger.release(bid(), NOW) is Outcome.COUNTED
    assert await pots(ledger) == {"available": 700, "leased": 300}


@with_ledger
async def test_a_loss_after_the_lease_went_back_frees_nothing_twice(ledger: Ledger):
    await leased(ledger, 300)
    await ledger.reclaim(EXPIRES)
    assert await ledger.release(bid(), EXPIRES) is Outcome.FREED
    assert await pots(ledger) == {"available": 1_000}


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
    await ledger.report([Usage(1, 10, 3, 0.25), Usage(2, 1, 0, 1e-9)])
    await ledger.report([Usage(1, 5, 2, 0.5)])
    await ledger.report([])
    first, second = await ledger.balances([1, 2])
    assert (first.opportunities, first.bids, first.probability) == (15, 5, pytest.approx(0.75))
    assert (second.opportunities, second.bids, second.probability) == (1, 0, pytest.approx(1e-9))
    assert await pots(ledger) == {"available": 700, "leased": 300}


@with_ledger
async def test_a_report_does_not_open_a_campaign(ledger: Ledger):
    await ledger.report([Usage(1, 10, 3, 0.25)])
    assert await balance(ledger) == Balance()
    assert await ledger.settle(bid(), BILL, 60, NOW) is Outcome.UNKNOWN


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


# --- balances


@with_ledger
async def test_balances_come_in_the_order_asked_and_are_zeros_for_the_unknown(ledger: Ledger):
    await ledger.open(1, 1_000)
    await ledger.open(2, 2_000)
    rows = await ledger.balances([2, 99, 1, 2])
    assert [row.budget for row in rows] == [2_000, 0, 1_000, 2_000]
    assert rows[1] == Balance()
    assert await ledger.balances([]) == []


# --- restore, remember

_LOST = Balance(budget=1_000, available=700, spent=300, wins=4, bills=3, losses=2, clicks=1, unfunded=5)


@with_ledger
async def test_figures_are_restored_whole(ledger: Ledger):
    lost = _LOST._replace(price_squares=float(2**60 + 2**20), probability=0.1)
    assert await ledger.restore(1, lost)
    assert await balance(ledger) == lost
    await ledger.open(1, 1_000)
    assert await balance(ledger) == lost
    assert await ledger.settle(bid(), BILL, 60, NOW) is Outcome.SETTLED
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
    assert await ledger.settle(charged, BILL, 50, NOW) is Outcome.DUPLICATE
    assert await ledger.settle(charged, WIN, 50, NOW) is Outcome.DUPLICATE
    assert await ledger.count(charged, CLICK, NOW) is Outcome.DUPLICATE
    assert await ledger.release(lost, NOW) is Outcome.DUPLICATE
    assert await balance(ledger) == before
    assert await ledger.release(charged, NOW) is Outcome.COUNTED  # its money is spent
    assert await ledger.settle(lost, BILL, 50, NOW) is Outcome.SETTLED
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
