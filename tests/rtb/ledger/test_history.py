"""What events say of a lost ledger."""

from __future__ import annotations

import pytest

from rtb.events.schema import to_table
from rtb.events.stream import StreamEntry
from rtb.ledger import Balance, Mark
from rtb.ledger.history import History
from rtb.ledger.protocol import mark_seconds
from rtb.settlement.notice_tokens import USERS, Kind
from tests.rtb.ledger.support import NOW, bid

TTL = 60.0
DAY = 86_400


def event(kind: str, outcome: str, *, at: float = NOW, price: int = 0, number: int = 1) -> StreamEntry:
    text = {"kind": kind, "bid": bid(number).bid_id, "campaign": "1", "price_micros": str(price), "at": repr(at)}
    return StreamEntry("1-0", {name.encode(): value.encode() for name, value in (text | {"outcome": outcome}).items()})


def history(*events: StreamEntry, now: float = NOW) -> History:
    made = History(TTL, now)
    made.add(to_table(events))
    return made


@pytest.mark.parametrize("kind", list(Kind))
def test_a_notice_is_remembered_at_least_as_long_as_in_the_ledger_that_was_lost(kind: Kind) -> None:
    ref = bid()  # expires within the time its notices are honoured from now
    (mark,) = history(event(kind.value, "counted")).marks()
    assert set(mark.names) == {kind.value} | ({"paid"} if kind in USERS else set())
    assert mark.seconds >= mark_seconds(ref, kind, NOW)


def test_what_would_be_refused_anyway_is_forgotten() -> None:
    events = (event("bill", "settled"), event("click", "counted"), event("conversion", "counted", number=2))
    names = {mark.bid: mark.names for mark in history(*events, now=NOW + 2 * 3_600).marks()}
    assert names == {bid(1).bid_id: ("click", "paid"), bid(2).bid_id: ("conversion", "paid")}
    assert list(history(*events, now=NOW + 32 * DAY).marks()) == []


def test_marks_of_a_bid_lie_together() -> None:
    (mark,) = history(event("loss", "freed"), event("bill", "unfunded", price=9)).marks()
    assert isinstance(mark, Mark)
    assert set(mark.names) == {"loss", "freed", "bill", "charged"}


def test_a_click_of_a_bid_that_was_not_paid_is_counted_apart_and_counts_once_it_is() -> None:
    early = [event("click", "unpaid"), event("click", "unpaid", number=2)]
    assert (history(*early).balance(1, 9).clicks, history(*early).balance(1, 9).unpaid) == (0, 2)
    paid = history(*early, event("bill", "settled", price=5), event("click", "counted"))
    assert (paid.balance(1, 9).clicks, paid.balance(1, 9).unpaid) == (1, 2)
    names = {mark.bid: set(mark.names) for mark in paid.marks()}
    assert names == {bid(1).bid_id: {"click", "bill", "charged", "paid"}, bid(2).bid_id: {"click"}}


def test_large_prices_add_up_without_loss() -> None:
    price = 2**32 - 1
    made = history(*(event("bill", "settled", price=price, number=n) for n in range(4)))
    assert made.balance(1, 10**12) == Balance(
        budget=10**12,
        available=10**12 - 4 * price,
        spent=4 * price,
        bills=4,
        price_squares=4 * float(price) ** 2,
    )


def test_a_budget_below_what_was_spent_is_exactly_that() -> None:
    made = history(event("win", "settled", price=500))
    assert made.balance(1, 300) == Balance(budget=500, available=0, spent=500, wins=1, price_squares=250_000.0)
    assert made.balance(7, 300) == Balance(budget=300, available=300)
    assert made.campaigns == [1]


def test_what_is_booked_beyond_the_events_is_spent() -> None:
    made = history(event("bill", "settled", price=500))
    assert made.balance(1, 2_000, 400) == made.balance(1, 2_000)  # the book may be behind
    after = made.balance(1, 2_000, 700)
    assert (after.budget, after.available, after.spent, after.bills) == (2_000, 1_300, 700, 1)
    assert made.balance(1, 600, 700) == after._replace(budget=700, available=0)
    assert made.balance(2, 600, 700) == Balance(budget=700, available=0, spent=700)


def test_what_was_spent_since_a_campaigns_day_began_was_spent_today() -> None:
    prices = {NOW - 1: 5, NOW: 70, NOW + 1: 600}
    events = [event("bill", "settled", at=at, price=price, number=price) for at, price in prices.items()]
    for days, today in [({1: NOW}, 670), ({2: 0.0}, 0)]:
        made = History(TTL, NOW + 2, days)
        made.add(to_table([*events, event("bill", "unfunded", at=NOW, price=8_000, number=9)]))
        assert made.balance(1, 1_000).spent_today == today
