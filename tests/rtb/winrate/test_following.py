"""What each course of events says of the price to beat."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.winrate import Verdict
from rtb.winrate.following import End, Follower
from tests.rtb.winrate.worlds import bid, events, notice

WON, LOST, KNOWN = Verdict.WON, Verdict.LOST, Verdict.KNOWN


@pytest.mark.parametrize(
    ("first_price", "heard", "end"),
    [
        (True, [("loss", {})], (LOST, 500)),
        (True, [("loss", {"min_to_win_micros": 700})], (KNOWN, 700)),
        (True, [("loss", {"min_to_win_micros": 400})], None),  # lost, but not by its price
        (True, [("win", {})], (WON, 500)),
        (True, [("bill", {"outcome": "settled", "price_micros": 500})], (WON, 500)),
        (True, [("win", {"min_to_win_micros": 300})], (KNOWN, 300)),
        (True, [("win", {"min_to_win_micros": 900})], (KNOWN, 500)),  # no more than what won
        (True, [("win", {"min_to_win_micros": 100})], (WON, 100)),  # the floor: others bid less
        (True, [], (LOST, 500)),
        (False, [("loss", {})], (LOST, 500)),
        (False, [("bill", {"outcome": "settled", "price_micros": 320})], (KNOWN, 320)),
        (False, [("bill", {"outcome": "unfunded", "price_micros": 320})], (KNOWN, 320)),
        (False, [("win", {}), ("bill", {"outcome": "settled", "price_micros": 320})], (KNOWN, 320)),
        (False, [("bill", {"outcome": "settled", "price_micros": 100})], (WON, 100)),
        (False, [("bill", {"outcome": "settled", "price_micros": 0})], (WON, 500)),
        (False, [("win", {})], (WON, 500)),  # its billing notice never came
        (False, [("win", {"min_to_win_micros": 300})], (KNOWN, 300)),
    ],
)
@pytest.mark.parametrize("bid_comes", ["first", "last"])
@pytest.mark.parametrize("at_once", [True, False])
def test_an_end(
    first_price: bool, heard: list[tuple[str, dict[str, Any]]], end: tuple[Verdict, int] | None, bid_comes: str,
    at_once: bool,
) -> None:  # fmt: skip
    rows = [bid("b", 500, floor_micros=100, first_price=first_price)]
    rows += [notice(kind, "b", **fields) for kind, fields in heard]
    if bid_comes == "last":
        rows = rows[1:] + rows[:1]
    much_later = notice("click", "other", at=10_000.0)
    batches = [[*rows, much_later]] if at_once else [*([row] for row in rows), [much_later]]
    follower = Follower()
    assert [e for batch in batches for e in follower.ends(events(*batch))] == ([End(1, *end)] if end else [])


def test_silence_is_a_loss_only_after_the_patience() -> None:
    follower = Follower(patience=60.0)
    assert follower.ends(events(bid("a", 5, at=100.0), bid("b", 6, at=130.0))) == []
    assert follower.ends(events(notice("click", "x", at=159.0))) == []
    assert follower.ends(events(notice("click", "x", at=161.0))) == [End(1, LOST, 5)]
    assert follower.ends(events(notice("loss", "b", at=170.0))) == [End(1, LOST, 6)]
    assert follower.ends(events(notice("click", "x", at=999.0))) == []


def test_wins_wait_as_long_as_silent_losses_until_a_loss_is_told() -> None:
    follower = Follower(patience=60.0)
    rows = [bid(name, 5 + n, at=100.0) for n, name in enumerate("abcd")]
    assert follower.ends(events(*rows, notice("win", "a", at=101.0))) == []
    assert follower.ends(events(notice("loss", "b", at=102.0), notice("win", "c", at=103.0))) == [
        End(1, LOST, 6),
        End(1, WON, 7),
    ]
    assert follower.ends(events(notice("click", "x", at=161.0))) == [End(1, WON, 5), End(1, LOST, 8)]


def test_a_notice_said_twice_and_one_of_a_bid_nobody_made_say_nothing_more() -> None:
    follower = Follower()
    rows = [bid("a", 5), notice("loss", "a"), notice("loss", "a"), notice("win", "a"), notice("win", "nobody")]
    assert follower.ends(events(*rows)) == [End(1, LOST, 5)]
    assert follower.ends(events(notice("click", "x", at=9_999.0))) == []
    assert not follower._bids
    assert not follower._early


def test_events_that_say_too_little_are_passed_by() -> None:
    rows = [{"kind": "bid", "bid": "unreadable"}, bid("old", 5, first_price=None), notice("loss", "old")]
    assert Follower().ends(events(*rows)) == []


@given(st.data())
def test_each_bid_ends_at_most_once_and_in_the_end_all_but_unpriced_losses_do(data: st.DataObject) -> None:
    names = [f"b{n}" for n in range(data.draw(st.integers(1, 8)))]
    rows = [bid(name, 500, campaign=n, first_price=data.draw(st.booleans())) for n, name in enumerate(names)]
    for name in names:
        kinds = data.draw(st.lists(st.sampled_from(["win", "bill", "loss", "click"]), max_size=4))
        outcome = data.draw(st.sampled_from(["settled", "counted", "freed"]))
        least = data.draw(st.sampled_from([None, 600]))
        rows += [notice(kind, name, price_micros=300, outcome=outcome, min_to_win_micros=least) for kind in kinds]
    rows = data.draw(st.permutations(rows))
    follower, found = Follower(), []
    while rows:
        count = data.draw(st.integers(1, len(rows)))
        found += follower.ends(events(*rows[:count]))
        rows = rows[count:]
    found += follower.ends(events(notice("click", "x", at=10_000.0)))
    assert sorted(end.campaign for end in found) == list(range(len(names)))
    assert not follower._bids
