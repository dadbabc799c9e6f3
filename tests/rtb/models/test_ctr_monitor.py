"""Predicted clicks of charged bids beside those that came, whatever order events come in."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.events.schema import SCHEMA
from rtb.models.ctr_monitor import CalibrationMonitor, CalibrationSums

Event = dict[str, object]


def bid(name: str, pctr: float) -> Event:
    return {"id": "1-1", "kind": "bid", "bid": name, "pctr": pctr}


def charge(name: str) -> Event:
    return {"id": "1-1", "kind": "bill", "bid": name, "outcome": "settled"}


def click(name: str) -> Event:
    return {"id": "1-1", "kind": "click", "bid": name, "outcome": "counted"}


def table(*events: Event) -> pa.Table:
    return pa.Table.from_pylist(list(events), schema=SCHEMA)


def sums_of(*events: Event, most: int = 1_000) -> CalibrationSums:
    found = CalibrationMonitor(most)
    for event in events:
        found.observe(table(event))
    return found.take()


def test_a_bid_that_was_not_charged_counts_for_nothing() -> None:
    assert sums_of(bid("a", 0.5)) == CalibrationSums()


def test_a_second_click_and_a_notice_that_was_repeated_count_for_nothing() -> None:
    repeated = {**charge("a"), "outcome": "duplicate"}
    assert sums_of(bid("a", 0.5), charge("a"), repeated, click("a"), click("a")) == CalibrationSums(0.5, 1, 1)


def test_a_lost_bid_is_not_remembered_whichever_event_comes_first() -> None:
    lost = {**charge("a"), "kind": "loss", "outcome": "freed"}
    for first, second in ((bid("a", 0.5), lost), (lost, bid("a", 0.5))):
        assert sums_of(first, second, bid("b", 0.25), charge("b"), most=1) == CalibrationSums(0.25, 0, 1)
        assert sums_of(first, second, charge("a"), click("a")) == CalibrationSums()


def test_what_was_taken_is_not_taken_again() -> None:
    found = CalibrationMonitor()
    found.observe(table(bid("a", 0.5), charge("a")))
    assert found.take() == CalibrationSums(0.5, 0, 1)
    assert found.take() == CalibrationSums()


def test_what_does_not_fit_leaves_both_sums() -> None:
    many = [bid(str(n), 0.1) for n in range(10)]
    assert sums_of(*many, *(charge(str(n)) for n in range(10)), most=4).charged == 4


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans(), st.booleans()), max_size=20), st.randoms())
def test_any_order_gives_the_same_sums(bids: list[tuple[float, bool, bool]], order: random.Random) -> None:
    events = []
    for name, (pctr, charged, clicked) in enumerate(bids):
        events += [bid(str(name), pctr), *[charge(str(name))] * charged, *[click(str(name))] * (charged and clicked)]
    order.shuffle(events)
    predicted, observed, charged_bids = sums_of(*events)
    assert predicted == pytest.approx(sum(pctr for pctr, charged, _ in bids if charged))
    assert observed == sum(charged and clicked for _, charged, clicked in bids)
    assert charged_bids == sum(charged for _, charged, _ in bids)
