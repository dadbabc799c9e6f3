"""From events to evidence: each bid is followed until something says what became of it.

Bids and notices come out of one stream in batches; a notice may be there before its bid, whose event waits in a queue
of its replica. Exchanges that send no loss notices let bids lose in silence: one that nobody spoke of for long is lost.
Where no loss was ever told, wins wait as long, or for that time there would seem to be nothing but wins.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from rtb.winrate.evidence import Verdict

PATIENCE = 600.0
"""Seconds after which silence is a loss."""

_MOST_FOLLOWED = 200_000  # bids at once, about 60 MB; while there are so many, others teach nothing
_EARLY_SECONDS = 30.0  # that a notice waits for its bid
_MICRO = 1e-6


class End(NamedTuple):
    """What a bid's end says of the price to beat: `verdict` of the amount `micros`."""

    campaign: int
    verdict: Verdict
    micros: int


class _Event(NamedTuple):
    """An event's columns that matter here, in the order they are read."""

    kind: str
    bid: str
    campaign: int
    at: int  # Unix microseconds
    price_micros: int
    outcome: str | None
    floor_micros: int | None
    first_price: bool | None
    min_to_win_micros: int | None


class _Bid(NamedTuple):
    """A bid that is waited for; `end` is what is known of it so far."""

    campaign: int
    micros: int
    floor: int
    first_price: bool
    at: float
    end: End | None = None


class Follower:
    """Keeps bids until their ends are known.

    Args:
        patience: seconds after which silence is a loss: as long as notices may take.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._bids: OrderedDict[str, _Bid] = OrderedDict()  # oldest first
        self._early: OrderedDict[str, list[_Event]] = OrderedDict()  # notices whose bids are not known, oldest first
        self._told: set[int] = set()  # campaigns that lost by a notice
        self._now = 0.0

    def ends(self, events: pa.Table) -> list[End]:
        """What the next events of the stream, a table of `rtb.events.schema.SCHEMA`, say of prices."""
        found: list[End] = []
        for event in _events(events):
            self._now = max(self._now, event.at * _MICRO)
            if event.kind == "bid":
                found += self._begin(event)
            elif event.kind in ("win", "bill", "loss"):
                found += self._hear(event)
        found += self._give_up()
        return found

    def _begin(self, event: _Event) -> Iterator[End]:
        """Follow a bid, and hear what was said of it before."""
        if event.first_price is None or len(self._bids) >= _MOST_FOLLOWED:  # none: from before that was recorded
            return
        floor, at = event.floor_micros or 0, event.at * _MICRO
        self._bids[event.bid] = _Bid(event.campaign, event.price_micros, floor, event.first_price, at)
        for notice in self._early.pop(event.bid, ()):
            yield from self._hear(notice)

    def _hear(self, notice: _Event) -> Iterator[End]:
        bid = self._bids.get(notice.bid)
        if bid is None:
            self._early.setdefault(notice.bid, []).append(notice)
        elif notice.kind == "loss":
            del self._bids[notice.bid]
            self._told.add(bid.campaign)
            yield from _lost(bid, notice.min_to_win_micros or 0)
        else:
            end = _won(bid, notice)
            is_all = bid.first_price or notice.outcome != "counted" or notice.min_to_win_micros  # no price is to come
            if is_all and bid.campaign in self._told:
                del self._bids[notice.bid]
                yield end
            elif is_all or bid.end is None:
                self._bids[notice.bid] = bid._replace(end=end)

    def _give_up(self) -> Iterator[End]:
        """Wait no longer for notices of old bids, nor for bids of old notices (they have ended, or never come)."""
        while self._bids and (bid := next(iter(self._bids.values()))).at < self._now - self._patience:
            self._bids.popitem(last=False)
            yield bid.end or End(bid.campaign, Verdict.LOST, bid.micros)
        while self._early and next(iter(self._early.values()))[0].at * _MICRO < self._now - _EARLY_SECONDS:
            self._early.popitem(last=False)


def _won(bid: _Bid, notice: _Event) -> End:
    """In a second-price auction the charge is the price to beat, unless that was the floor: then others bid less."""
    price = notice.min_to_win_micros or 0
    if not price and not bid.first_price and notice.outcome != "counted":
        price = notice.price_micros
    if price <= 0:
        return End(bid.campaign, Verdict.WON, bid.micros)
    if price <= bid.floor:
        return End(bid.campaign, Verdict.WON, bid.floor)
    return End(bid.campaign, Verdict.KNOWN, min(price, bid.micros))


def _lost(bid: _Bid, least: int) -> Iterator[End]:
    """A bid that the minimum to win says was high enough did not lose by its price."""
    if not least:
        yield End(bid.campaign, Verdict.LOST, bid.micros)
    elif least > bid.micros:
        yield End(bid.campaign, Verdict.KNOWN, least)


def _events(table: pa.Table) -> Iterator[_Event]:
    """Those of a campaign and a time: of an event that could not be read there is neither."""
    at = table.column("at").cast(pa.int64())
    table = table.set_column(table.schema.get_field_index("at"), "at", at)
    columns = (table.column(name).to_pylist() for name in _Event._fields)
    found = map(_Event._make, zip(*columns, strict=True))
    return (event for event in found if event.campaign is not None and event.at is not None)
