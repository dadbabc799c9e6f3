"""What each course of events says of the price to beat."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.models.winrate import PriceEvidence, following, market_key
from rtb.models.winrate.following import BidOutcome, Follower
from tests.rtb.models.winrate.worlds import MARKET, bid, events, notice

WON, LOST, KNOWN = PriceEvidence.WON, PriceEvidence.LOST, PriceEvidence.KNOWN


_PAID = {"price_micros": 320}


@pytest.mark.parametrize(
    ("first_price", "heard", "end"),
    [
        (True, [("loss", {})], (LOST, 500)),
        (True, [("loss", {"min_to_win_micros": 700})], (KNOWN, 700)),
        (True, [("loss", {"min_to_win_micros": 1_000})], (KNOWN, 1_000)),
        (True, [("loss", {"min_to_win_micros": 1_001})], (LOST, 1_000)),  # no more of it is believed
        (True, [("loss", {"min_to_win_micros": 400})], None),  # lost, but not by its price
        (True, [("win", {})], None),  # said to be won, and never charged
        (True, [("win", {"min_to_win_micros": 300})], None),
        (True, [("bill", {"outcome": "unfunded"})], None),
        (True, [("win", {"outcome": "settled"})], (WON, 500)),
        (True, [("bill", {})], (WON, 500)),
        (True, [("bill", {"min_to_win_micros": 300})], (KNOWN, 300)),
        (True, [("win", {"min_to_win_micros": 300}), ("bill", {})], (KNOWN, 300)),
        (True, [("win", {"min_to_win_micros": 300}), ("bill", {"min_to_win_micros": 280})], (KNOWN, 280)),
        (True, [("bill", {"min_to_win_micros": 900})], (KNOWN, 500)),  # no more than what won
        (True, [("bill", {"min_to_win_micros": 251})], (KNOWN, 251)),
        (True, [("bill", {"min_to_win_micros": 250})], (WON, 250)),  # no less of it is believed
        (True, [("bill", {"min_to_win_micros": 1})], (WON, 250)),
        (True, [("bill", {}), ("loss", {"min_to_win_micros": 700})], (WON, 500)),  # it was paid for
        (True, [], (LOST, 500)),
        (False, [("loss", {})], (LOST, 500)),
        (False, [("bill", _PAID)], (KNOWN, 320)),
        (False, [("bill", {"min_to_win_micros": 1, **_PAID})], (KNOWN, 320)),  # what was paid is not hearsay
        (False, [("bill", {"outcome": "unfunded", **_PAID})], None),
        (False, [("win", {}), ("bill", _PAID)], (KNOWN, 320)),
        (False, [("bill", {"price_micros": 100})], (WON, 100)),
        (False, [("bill", {"price_micros": 0})], (WON, 500)),
        (False, [("win", {})], None),  # its billing notice never came
    ],
)
@pytest.mark.parametrize("bid_comes", ["first", "last"])
@pytest.mark.parametrize("at_once", [True, False])
def test_an_end(
    first_price: bool, heard: list[tuple[str, dict[str, Any]]], end: tuple[PriceEvidence, int] | None, bid_comes: str,
    at_once: bool,
) -> None:  # fmt: skip
    rows = [bid("b", 500, floor_micros=100, first_price=first_price)]
    rows += [notice(kind, "b", **fields) for kind, fields in heard]
    if bid_comes == "last":
        rows = rows[1:] + rows[:1]
    much_later = notice("click", "other", at=10_000.0)
    batches = [[*rows, much_later]] if at_once else [*([row] for row in rows), [much_later]]
    follower = Follower()
    assert [e for batch in batches for e in follower.ends(events(*batch))] == (
        [BidOutcome(1, MARKET, *end, _paid(heard))] if end else []
    )


def _paid(heard: list[tuple[str, dict[str, Any]]]) -> bool:
    return any(event["outcome"] == "settled" for event in (notice(kind, "b", **fields) for kind, fields in heard))


def test_the_price_to_beat_is_that_of_one_impression() -> None:
    rows = [bid("b", 500, floor_micros=100, first_price=False, quantity=30.3), notice("bill", "b", price_micros=9_696)]
    found = Follower().ends(events(*rows, notice("click", "x", at=9_999.0)))
    assert found == [BidOutcome(1, MARKET, KNOWN, 320, True)]


def test_a_minimum_at_the_floor_or_far_below_the_bid_only_says_that_it_was_less() -> None:
    follower = Follower()
    rows = [bid("a", 8_000, floor_micros=0), bid("b", 8_000, floor_micros=0), bid("c", 8_000, floor_micros=5_000)]
    least = dict(zip("abc", (1, 4_001, 4_500), strict=True))
    rows += [notice("bill", name, min_to_win_micros=micros) for name, micros in least.items()]
    found = follower.ends(events(*rows, notice("click", "x", at=9_999.0)))
    assert [end[2:4] for end in found] == [(WON, 4_000), (KNOWN, 4_001), (WON, 5_000)]


@pytest.mark.parametrize("caller", [0, None])
def test_bids_asked_for_without_a_key_teach_nothing(caller: int | None) -> None:
    rows = [bid("a", 500, caller=caller), bid("b", 500, caller=caller), bid("c", 500, caller=caller)]
    rows += [notice("loss", "a", min_to_win_micros=700), notice("bill", "b", min_to_win_micros=20)]
    assert Follower().ends(events(*rows, notice("click", "x", at=9_999.0))) == []


def test_one_market_does_not_keep_the_others_from_being_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_MOST_FOLLOWED", 8)
    follower = Follower()
    follower.ends(events(*(bid(f"a{n}", 5) for n in range(100))))
    follower.ends(events(*(bid(f"b{n}", 5, caller=5) for n in range(100))))
    assert follower._followed == {MARKET: 4, market_key(3, 5): 2}
    ended = follower.ends(events(*(notice("loss", f"a{n}") for n in range(100)), bid("a", 5)))
    assert len(ended) == 4
    assert follower._followed == {MARKET: 1, market_key(3, 5): 2}


def test_silence_is_a_loss_only_after_the_patience() -> None:
    follower = Follower(patience=60.0)
    assert follower.ends(events(bid("a", 5, at=100.0), bid("b", 6, at=130.0))) == []
    assert follower.ends(events(notice("click", "x", at=159.0))) == []
    assert follower.ends(events(notice("click", "x", at=161.0))) == [BidOutcome(1, MARKET, LOST, 5)]
    assert follower.ends(events(notice("loss", "b", at=170.0))) == [BidOutcome(1, MARKET, LOST, 6)]
    assert follower.ends(events(notice("click", "x", at=999.0))) == []


def test_wins_wait_as_long_as_silent_losses_until_a_loss_is_told() -> None:
    follower = Follower(patience=60.0)
    rows = [bid(name, 5 + n, at=100.0) for n, name in enumerate("abcd")]
    assert follower.ends(events(*rows, notice("bill", "a", at=101.0))) == []
    assert follower.ends(events(notice("loss", "b", at=102.0), notice("bill", "c", at=103.0))) == [
        BidOutcome(1, MARKET, LOST, 6),
        BidOutcome(1, MARKET, WON, 7, True),
    ]
    assert follower.ends(events(notice("click", "x", at=161.0))) == [
        BidOutcome(1, MARKET, WON, 5, True),
        BidOutcome(1, MARKET, LOST, 8),
    ]


def test_a_notice_said_twice_and_one_of_a_bid_nobody_made_say_nothing_more() -> None:
    follower = Follower()
    rows = [bid("a", 5), notice("loss", "a"), notice("loss", "a"), notice("win", "a"), notice("win", "nobody")]
    assert follower.ends(events(*rows)) == [BidOutcome(1, MARKET, LOST, 5)]
    assert follower.ends(events(notice("click", "x", at=9_999.0))) == []
    assert not follower._bids
    assert not follower._early


def test_events_that_say_too_little_are_passed_by() -> None:
    rows = [{"kind": "bid", "bid": "unreadable"}, bid("old", 5, first_price=None), notice("loss", "old")]
    assert Follower().ends(events(*rows)) == []


@given(st.data())
def test_each_bid_ends_at_most_once_and_in_the_end_nothing_is_followed(data: st.DataObject) -> None:
    names = [f"b{n}" for n in range(data.draw(st.integers(1, 8)))]
    rows = [bid(name, 500, campaign=n, first_price=data.draw(st.booleans())) for n, name in enumerate(names)]
    for name in names:
        kinds = data.draw(st.lists(st.sampled_from(["win", "bill", "loss", "click"]), max_size=4))
        outcome = data.draw(st.sampled_from(["settled", "counted", "unfunded"]))
        least = data.draw(st.sampled_from([None, 600]))
        rows += [notice(kind, name, price_micros=300, outcome=outcome, min_to_win_micros=least) for kind in kinds]
    rows = data.draw(st.permutations(rows))
    follower, found = Follower(), []
    while rows:
        count = data.draw(st.integers(1, len(rows)))
        found += follower.ends(events(*rows[:count]))
        rows = rows[count:]
    found += follower.ends(events(notice("click", "x", at=10_000.0)))
    assert len({end.campaign for end in found}) == len(found) <= len(names)
    assert not follower._bids
    assert not follower._followed.total()
