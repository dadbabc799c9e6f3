"""Readings out of events: whose, in which block, and worth what."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rtb.events import BidEvent
from rtb.events.schema import to_table
from rtb.events.stream import StreamEntry
from rtb.experiment import Experiment
from rtb.experiment.readings import FIGURES, Readings, read
from rtb.money.accounts import arm_of

START = 1_000.0
EXPERIMENT = Experiment(number=2, kind="policy", version="c", folder="c", share=0.2, salt="s", started=START)
VALUES = {1: 1_000.0, 2: 500.0}
SPEND, WINS, CLICKS, VALUE = range(len(FIGURES))


class Log:
    """Events in the order they are told."""

    def __init__(self) -> None:
        self._entries: list[StreamEntry] = []
        self._ids = count(1)

    def bid(self, name: str, campaign: int = 1, *, at: float, experiment: int | None = None, pctr: float = 0.1) -> None:
        told = {
            "request": "r",
            "creative": "a",
            "features": [],
            "multiplier": 1.0,
            "price_micros": 9,
            "floor_micros": 0,
        }
        event = BidEvent(bid=name, campaign=campaign, pctr=pctr, at=START + at, experiment=experiment, **told)  # type: ignore[arg-type]
        self._add(kind="bid", bid=name, data=msgspec.json.encode(event).decode())

    def notice(self, name: str, account: int = 1, *, at: float, kind: str = "bill", **fields: Any) -> None:
        told = {"price_micros": 0, "outcome": "counted" if kind == "click" else "settled", **fields}
        self._add(kind=kind, bid=name, campaign=account, at=START + at, **told)

    def _add(self, **fields: Any) -> None:
        row = {name.encode(): str(value).encode() for name, value in fields.items()}
        self._entries.append(StreamEntry(f"1-{next(self._ids)}", row))

    def read(self, until: float, seconds: float = 10.0) -> Readings:
        half = len(self._entries) // 2  # a bid and its notices may lie in different tables
        tables: list[pa.Table] = [to_table(self._entries[:half]), to_table(self._entries[half:])]
        return read(lambda: tables, EXPERIMENT, VALUES, START + until, seconds)


ARM = arm_of(1, 2)


def test_figures_go_to_their_arm_and_block() -> None:
    log = Log()
    log.bid("a", at=1, experiment=2, pctr=0.1)
    log.bid("b", at=2, pctr=0.2)
    log.notice("a", ARM, at=3, price_micros=60)
    log.notice("b", at=12, price_micros=70)
    log.notice("b", at=19, kind="click")
    log.notice("b", at=19, kind="click", outcome="unpaid")
    readings = log.read(until=20)
    assert readings.block.tolist() == [0, 1]
    expected = np.zeros((2, 2, 4))
    expected[0, 1] = [60, 1, 0, 100]
    expected[1, 0] = [70, 1, 1, 200]
    assert readings.figures == pytest.approx(expected)
    assert readings.total[1] == pytest.approx([60, 1, 0, 100])


def test_a_notice_may_come_before_its_bid() -> None:
    log = Log()
    log.notice("a", ARM, at=3, price_micros=60)
    log.bid("a", at=1, experiment=2)
    assert log.read(until=10).figures[0, 1].tolist() == [60, 1, 0, 100]


def test_what_is_not_of_this_experiment_is_left_out() -> None:
    log = Log()
    log.notice("early", at=-5, price_micros=1)
    log.notice("of nobody's arm", at=0.5, price_micros=1)
    log.bid("a", at=1, experiment=2)
    log.notice("other experiment", arm_of(1, 1), at=3, price_micros=1)
    log.notice("not divided", 2, at=3, price_micros=1)
    log.notice("unknown campaign", 7, at=3, price_micros=1)
    log.notice("unfunded", at=3, price_micros=1, outcome="unfunded")
    log.notice("a", kind="win", at=3, outcome="counted")
    log.notice("unfinished block", at=11, price_micros=1)
    readings = log.read(until=19)
    assert readings.block.tolist() == [0]
    assert not readings.figures.any()


def test_a_campaign_counts_from_when_it_is_divided() -> None:
    log = Log()
    log.bid("a", 1, at=1, experiment=2)
    log.notice("x", 2, at=12, price_micros=5)
    log.bid("b", 2, at=15, experiment=2)
    log.notice("y", 2, at=16, price_micros=7)
    readings = log.read(until=30)
    assert readings.block.tolist() == [0, 1, 1, 2, 2]
    assert readings.total[0, SPEND] == 7


def test_nothing_yet() -> None:
    assert len(Log().read(until=5).block) == 0
    log = Log()
    log.bid("a", at=1, experiment=2)
    assert len(log.read(until=5).block) == 0
