"""From events to evidence: each bid is followed until its outcome is known.

Bids and notices come from one stream in batches; a notice may precede its bid, whose event waits in a queue of its
replica. With exchanges that send no loss notices bids lose silently: one without a notice for long is lost. Where no
loss notice ever came, wins are delayed as long, or for that time there would seem to be nothing but wins.

Notices are believed as far as they cost the caller something. Only bids requested with an API key are followed. A bid
is won once it is charged; a minimum to win from its win notice counts if the charge comes, and otherwise the bid is no
evidence. A minimum to win is believed near the bid (`FAR`); farther away it only counts as censored.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

import pyarrow as pa

from rtb.models.winrate.evidence import FAR, PriceEvidence
from rtb.models.winrate.market import market_key

PATIENCE = 600.0
"""Seconds without a notice after which a bid is lost."""

_MOST_FOLLOWED = 50_000
"""Most bids followed at once, about 9 MB. A market may use as many as are still free, so that none starves the others:
a single one gets half."""

_EARLY_SECONDS = 30.0  # that a notice waits for its bid
_MICRO = 1e-6


class BidOutcome(NamedTuple):
    """The outcome of a bid: `verdict` on the price to beat at the amount `micros`, in a market (`market_key`)."""

    campaign: int
    market: int
    verdict: PriceEvidence
    micros: int
    is_charged: bool = False


class _Event(NamedTuple):
    """The columns of an event that are read here, in order."""

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
    quantity: float | None


class _Bid(NamedTuple):
    """A pending bid, and what is known of it so far.

    Attributes:
        is_won: whether a win notice came, which costs nothing by itself.
        least: minimum to win from a win notice; 0: none.
        paid: price of one impression that was charged; below 0: none yet.
        quantity: impressions that the sale stands for.
    """

    campaign: int
    market: int
    micros: int
    floor: int
    first_price: bool
    at: float
    is_won: bool = False
    least: int = 0
    paid: int = -1
    quantity: float = 1.0

    @property
    def is_charged(self) -> bool:
        """Whether it was charged."""
        return self.paid >= 0


class _PendingBids:
    """Bids by name, in order of arrival, as bytes: objects would take twice the memory."""

    _LAYOUT = struct.Struct("=qQqq?d?qqd")

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def get(self, name: str) -> _Bid | None:
        """Return the bid of this name."""
        packed = self._packed.get(hash(name))
        return self._unpacked(packed) if packed else None

    def put(self, name: str, bid: _Bid) -> None:
        """Add a bid, or change it in its place."""
        self._packed[hash(name)] = self._LAYOUT.pack(*bid)

    def drop(self, name: str) -> None:
        """Remove the bid of this name."""
        del self._packed[hash(name)]

    def pop_older(self, than: float) -> Iterator[_Bid]:
        """Remove the bids that came before this second, and yield them."""
        old = list(takewhile(lambda item: self._unpacked(item[1]).at < than, self._packed.items()))
        for key, packed in old:
            del self._packed[key]
            yield self._unpacked(packed)

    def _unpacked(self, packed: bytes) -> _Bid:
        return _Bid(*self._LAYOUT.unpack(packed))


class Follower:
    """The pending bids, until their outcomes are known.

    Args:
        patience: seconds without a notice after which a bid is lost: as long as notices may take.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._bids = _PendingBids()
        self._early: OrderedDict[str, list[_Event]] = OrderedDict()  # notices of unknown bids, oldest first
        self._told: set[tuple[int, int]] = set()  # campaign and market of loss notices
        self._followed: Counter[int] = Counter()  # bids by market
        self._now = 0.0

    def ends(self, events: pa.Table) -> list[BidOutcome]:
        """Return the outcomes of bids by the next events of the stream, a table of `rtb.events.schema.SCHEMA`."""
        found: list[BidOutcome] = []
        for event in _events(events):
            self._now = max(self._now, event.at * _MICRO)
            if event.kind == "bid":
                found += self._begin(event)
            elif event.kind in ("win", "bill", "loss"):
                found += self._hear(event)
        found += self._give_up()
        return found

    def _begin(self, event: _Event) -> Iterator[BidOutcome]:
        """Follow a bid, and apply the notices that preceded it."""
        if event.first_price is None or not event.caller:  # an old event, or a request without a key
            return
        market = market_key(event.exchange or 0, event.caller)
        if self._followed[market] >= _MOST_FOLLOWED - len(self._bids):
            return
        floor, at = event.floor_micros or 0, event.at * _MICRO
        bid = _Bid(event.campaign, market, event.price_micros, floor, event.first_price, at)
        self._bids.put(event.bid, bid._replace(quantity=event.quantity or 1.0))
        self._followed[market] += 1
        for notice in self._early.pop(event.bid, ()):
            yield from self._hear(notice)

    def _hear(self, notice: _Event) -> Iterator[BidOutcome]:
        bid = self._bids.get(notice.bid)
        if bid is None:
            self._keep_early(notice)
        elif notice.kind == "loss":
            yield from self._lose(notice.bid, bid, notice.min_to_win_micros or 0)
        elif notice.outcome == "settled":
            paid = round(notice.price_micros / bid.quantity)
            charged = bid._replace(paid=paid, least=notice.min_to_win_micros or bid.least)
            if (bid.campaign, bid.market) in self._told:
                self._forget(notice.bid, bid)
                yield _won(charged)
            else:
                self._bids.put(notice.bid, charged)
        elif not bid.is_charged:
            self._bids.put(notice.bid, bid._replace(is_won=True, least=notice.min_to_win_micros or bid.least))

    def _lose(self, name: str, bid: _Bid, least: int) -> Iterator[BidOutcome]:
        """Yield a loss, unless the bid was charged: then the charge, which cost something, prevails."""
        if bid.is_charged:
            return
        self._forget(name, bid)
        self._told.add((bid.campaign, bid.market))
        yield from _lost(bid, least)

    def _keep_early(self, notice: _Event) -> None:
        """Keep a notice until its bid comes; the ledger accepts one per kind, so there are few of a bid."""
        if len(self._early) < _MOST_FOLLOWED:
            self._early.setdefault(notice.bid, []).append(notice)

    def _forget(self, name: str, bid: _Bid) -> None:
        self._bids.drop(name)
        self._followed[bid.market] -= 1

    def _give_up(self) -> Iterator[BidOutcome]:
        """Give up on old bids without notices, and on old notices without bids (which have ended, or never come)."""
        for bid in self._bids.pop_older(self._now - self._patience):
            self._followed[bid.market] -= 1
            if bid.is_charged:
                yield _won(bid)
            elif not bid.is_won:  # a bid with a win notice but no charge is neither won nor lost
                yield BidOutcome(bid.campaign, bid.market, PriceEvidence.LOST, bid.micros)
        while self._early and next(iter(self._early.values()))[0].at * _MICRO < self._now - _EARLY_SECONDS:
            self._early.popitem(last=False)


def _won(bid: _Bid) -> BidOutcome:
    """Return the outcome of a charged bid; in a second-price auction a charge above the floor is the price to beat."""
    price = bid.least if bid.first_price else bid.paid
    near = max(bid.floor, round(bid.micros / FAR)) if bid.first_price else bid.floor  # a paid price needs no such check
    if price <= 0:
        return BidOutcome(bid.campaign, bid.market, PriceEvidence.WON, bid.micros, is_charged=True)
    if price <= near:
        return BidOutcome(bid.campaign, bid.market, PriceEvidence.WON, near, is_charged=True)
    return BidOutcome(bid.campaign, bid.market, PriceEvidence.KNOWN, min(price, bid.micros), is_charged=True)


def _lost(bid: _Bid, least: int) -> Iterator[BidOutcome]:
    """Yield the outcome of a lost bid; none where the minimum to win is below the bid: price did not decide it."""
    if not least:
        yield BidOutcome(bid.campaign, bid.market, PriceEvidence.LOST, bid.micros)
    elif least > FAR * bid.micros:
        yield BidOutcome(bid.campaign, bid.market, PriceEvidence.LOST, FAR * bid.micros)
    elif least > bid.micros:
        yield BidOutcome(bid.campaign, bid.market, PriceEvidence.KNOWN, least)


def _events(table: pa.Table) -> Iterator[_Event]:
    """Yield the events with a campaign and a time: an unreadable event has neither."""
    at = table.column("at").cast(pa.int64())
    table = table.set_column(table.schema.get_field_index("at"), "at", at)
    columns = (table.column(name).to_pylist() for name in _Event._fields)
    found = map(_Event._make, zip(*columns, strict=True))
    return (event for event in found if event.campaign is not None and event.at is not None)
