"""From events to evidence: each bid is followed until something says what became of it.

Bids and notices come out of one stream in batches; a notice may be there before its bid, whose event waits in a queue
of its replica. Exchanges that send no loss notices let bids lose in silence: one that nobody spoke of for long is lost.
Where no loss was ever told, wins wait as long, or for that time there would seem to be nothing but wins.

Notices are believed as far as they cost something. Only bids that were asked for with a key are followed. A bid is won
once it is charged; what a win notice says before that counts if the charge comes, and else the bid teaches nothing. A
minimum to win is believed near the bid (`FAR`); farther away all that counts is that it was not near.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from rtb.models.winrate.evidence import FAR, Verdict
from rtb.models.winrate.market import market_key

PATIENCE = 600.0
"""Seconds after which silence is a loss."""

_MOST_FOLLOWED = 50_000
"""Bids at once, about 20 MB. A market gets as many as are still free, so that none of them keeps the others from
learning: one that is alone gets half."""

_EARLY_SECONDS = 30.0  # that a notice waits for its bid
_MICRO = 1e-6


class End(NamedTuple):
    """What a bid's end says of the price to beat: `verdict` of the amount `micros`, in a market (`market_key`)."""

    campaign: int
    market: int
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
    exchange: int | None
    caller: int | None


class _Bid(NamedTuple):
    """A bid that is waited for, and what is known of it so far.

    Attributes:
        is_won: whether a win notice came, which costs nothing by itself.
        least: minimum to win that a win notice said; 0: none.
        end: what its charge said.
    """

    campaign: int
    market: int
    micros: int
    floor: int
    first_price: bool
    at: float
    is_won: bool = False
    least: int = 0
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
        self._told: set[tuple[int, int]] = set()  # campaigns that lost by a notice, and in which market
        self._followed: Counter[int] = Counter()  # bids by market
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
        if event.first_price is None or not event.caller:  # from before that was recorded, or from anybody
            return
        market = market_key(event.exchange or 0, event.caller)
        if self._followed[market] >= _MOST_FOLLOWED - len(self._bids):
            return
        floor, at = event.floor_micros or 0, event.at * _MICRO
        self._bids[event.bid] = _Bid(event.campaign, market, event.price_micros, floor, event.first_price, at)
        self._followed[market] += 1
        for notice in self._early.pop(event.bid, ()):
            yield from self._hear(notice)

    def _hear(self, notice: _Event) -> Iterator[End]:
        bid = self._bids.get(notice.bid)
        if bid is None:
            self._keep_early(notice)
        elif notice.kind == "loss":
            yield from self._lose(notice.bid, bid, notice.min_to_win_micros or 0)
        elif notice.outcome == "settled":
            end = _won(bid, notice.price_micros, notice.min_to_win_micros or bid.least)
            if (bid.campaign, bid.market) in self._told:
                self._forget(notice.bid)
                yield end
            else:
                self._bids[notice.bid] = bid._replace(end=end)
        elif bid.end is None:
            self._bids[notice.bid] = bid._replace(is_won=True, least=notice.min_to_win_micros or bid.least)

    def _lose(self, name: str, bid: _Bid, least: int) -> Iterator[End]:
        """A loss of what was charged is a contradiction, and the charge is what was paid for."""
        if bid.end is not None:
            return
        self._forget(name)
        self._told.add((bid.campaign, bid.market))
        yield from _lost(bid, least)

    def _keep_early(self, notice: _Event) -> None:
        """One notice of a kind is all that the ledger lets through, so there are few of a bid."""
        if len(self._early) < _MOST_FOLLOWED:
            self._early.setdefault(notice.bid, []).append(notice)

    def _forget(self, name: str) -> _Bid:
        bid = self._bids.pop(name)
        self._followed[bid.market] -= 1
        return bid

    def _give_up(self) -> Iterator[End]:
        """Wait no longer for notices of old bids, nor for bids of old notices (they have ended, or never come)."""
        while self._bids and self._bids[name := next(iter(self._bids))].at < self._now - self._patience:
            bid = self._forget(name)
            if bid.end is not None:
                yield bid.end
            elif not bid.is_won:  # one that was said to be won and was never charged is neither
                yield End(bid.campaign, bid.market, Verdict.LOST, bid.micros)
        while self._early and next(iter(self._early.values()))[0].at * _MICRO < self._now - _EARLY_SECONDS:
            self._early.popitem(last=False)


def _won(bid: _Bid, paid: int, least: int) -> End:
    """In a second-price auction the charge is the price to beat, unless that was the floor: then others bid less."""
    price = least if bid.first_price else paid
    near = max(bid.floor, round(bid.micros / FAR)) if bid.first_price else bid.floor  # what was paid is not hearsay
    if price <= 0:
        return End(bid.campaign, bid.market, Verdict.WON, bid.micros)
    if price <= near:
        return End(bid.campaign, bid.market, Verdict.WON, near)
    return End(bid.campaign, bid.market, Verdict.KNOWN, min(price, bid.micros))


def _lost(bid: _Bid, least: int) -> Iterator[End]:
    """A bid that the minimum to win says was high enough did not lose by its price."""
    if not least:
        yield End(bid.campaign, bid.market, Verdict.LOST, bid.micros)
    elif least > FAR * bid.micros:
        yield End(bid.campaign, bid.market, Verdict.LOST, FAR * bid.micros)
    elif least > bid.micros:
        yield End(bid.campaign, bid.market, Verdict.KNOWN, least)


def _events(table: pa.Table) -> Iterator[_Event]:
    """Those of a campaign and a time: of an event that could not be read there is neither."""
    at = table.column("at").cast(pa.int64())
    table = table.set_column(table.schema.get_field_index("at"), "at", at)
    columns = (table.column(name).to_pylist() for name in _Event._fields)
    found = map(_Event._make, zip(*columns, strict=True))
    return (event for event in found if event.campaign is not None and event.at is not None)
