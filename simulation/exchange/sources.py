"""Where bid requests come from: files of them, or the market simulator."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from rtb.money.micros import micros_to_cpm
from rtb.tables import BadTable, read_lines
from simulation import reference
from simulation.auctions import Auctions, Market
from simulation.exchange.auction import Kind
from simulation.exchange.protocol import CheckedBid
from simulation.requests import to_openrtb
from simulation.truth import Impressions

FLAT_CLICK_RATE = 0.01
"""Probability of a click where nothing better is known."""

FLAT_CONVERSION_RATE = 0.05
"""Probability that a click converts where nothing better is known."""

_BLOCK = 1024  # auctions simulated at a time: a fraction of a millisecond's work

_Raw = dict[str, msgspec.Raw]


class SourceError(ValueError):
    """A file of requests that cannot be used at all."""


class Audience(Protocol):
    """Who sees an impression, and what they do then."""

    def click_probability(self, bid: CheckedBid) -> float:
        """Probability that the advertisement is clicked."""

    def conversion_probability(self, bid: CheckedBid) -> float:
        """Probability that the click converts."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A bid request to send, and what the exchange knows besides.

    Attributes:
        body: JSON, sent as it is.
        market_cpm: highest competing price, CPM; None when not known.
        audience: who would see it.
        luck: seed of whatever is left to chance, the offer's own, so that it does not matter which answer is faster.
    """

    body: bytes
    market_cpm: float | None
    audience: Audience
    luck: int

    def chance(self, imp_id: str) -> random.Random:
        """Random numbers for one impression of the offer."""
        return random.Random(f"{self.luck}/{imp_id}")


@dataclass(frozen=True, slots=True)
class Logged:
    """The audience of a logged impression, as far as the log says.

    Attributes:
        clicked: what the log says, None when it does not.
    """

    clicked: bool | None = None

    def click_probability(self, bid: CheckedBid) -> float:
        """As logged, else a flat rate."""
        return FLAT_CLICK_RATE if self.clicked is None else float(self.clicked)

    def conversion_probability(self, bid: CheckedBid) -> float:
        """A flat rate."""
        return FLAT_CONVERSION_RATE


@dataclass(frozen=True, slots=True)
class Simulated:
    """The audience of a simulated impression.

    Attributes:
        market: whose truth holds.
        impression: a batch of one.
    """

    market: Market
    impression: Impressions

    def click_probability(self, bid: CheckedBid) -> float:
        """By the simulator's truth."""
        return float(self.market.truth.click(self.impression, bid.bid.cid, _creative_of(bid))[0])

    def conversion_probability(self, bid: CheckedBid) -> float:
        """By the simulator's truth."""
        return float(self.market.truth.conversion(self.impression, bid.bid.cid)[0])


def from_files(
    paths: Sequence[Path], seed: int, *, endless: bool, on_bad_line: Callable[[str], None]
) -> Iterator[Offer]:
    """Offers of files with one JSON object a line: a request, or an object with the request under `request`.

    Args:
        paths: read one after the other, a line at a time.
        seed: of what is left to chance.
        endless: begin again at the end of the last file, instead of stopping.
        on_bad_line: told, in the first pass, of each line that is no JSON object: file, line number and reason.

    Raises:
        SourceError: no line of any file can be used, or a file is no text.
    """
    number = 0
    first_pass = True
    while first_pass or endless:
        for path in paths:
            for line_number, line in _lines(path):
                try:
                    yield _read_line(line, _luck(seed, number))
                    number += 1
                except SourceError as error:
                    if first_pass:
                        on_bad_line(f"{path}:{line_number}: {error}")
        if number == 0:
            raise SourceError(f"no JSON object in {', '.join(map(str, paths))}: expected one bid request a line")
        first_pass = False


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        yield from ((number, line) for number, line in read_lines(path) if line.strip())
    except BadTable as error:
        raise SourceError(str(error)) from error


def from_market(seed: int, kind: Kind) -> Iterator[Offer]:
    """Endless offers of the market simulator.

    Args:
        seed: of the traffic and of what is left to chance; the market is the one the models are trained on.
        kind: of the auctions, as the requests say it.
    """
    market = reference.market(seed)
    while True:
        auctions = market.step(_BLOCK)
        for i in range(len(auctions)):
            yield _simulated(market, auctions, i, kind, seed)


def _luck(seed: int, number: int) -> int:
    """The seed of one numbered offer."""
    return seed * 1_000_003 + number


def _creative_of(bid: CheckedBid) -> str:
    """The creative's id within its campaign: `crid` is that behind the campaign's id and one separator."""
    campaign, crid = bid.bid.cid, bid.bid.crid
    return crid[len(campaign) + 1 :] if campaign and crid.startswith(campaign) else crid


def _simulated(market: Market, auctions: Auctions, i: int, kind: Kind, seed: int) -> Offer:
    impression = Impressions(*(np.array([values[i]]) for values in (auctions.user, auctions.slot, auctions.hour)))
    return Offer(
        body=msgspec.json.encode(to_openrtb(market, auctions, i, kind)),
        market_cpm=micros_to_cpm(int(auctions.market_price_micros[i])),
        audience=Simulated(market, impression),
        luck=_luck(seed, int(auctions.number[i])),
    )


def _read_line(line: bytes, luck: int) -> Offer:
    """One line of a request file; the request's bytes stay as they are."""
    try:
        fields = msgspec.json.decode(line, type=_Raw)
        if "request" not in fields:
            return Offer(line.strip(), None, Logged(), luck)
        price, click = _value(fields, "market_price_cpm"), _value(fields, "click")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"not a JSON object ({error})") from error
    if price is not None and not (isinstance(price, int | float) and 0 <= price < 1e9):
        raise SourceError(f"market_price_cpm {price!r} is no price")
    if click not in (None, 0, 1):
        raise SourceError(f"click {click!r} is neither 0 nor 1")
    market_cpm = None if price is None else float(price)
    return Offer(bytes(fields["request"]), market_cpm, Logged(None if click is None else bool(click)), luck)


def _value(fields: _Raw, name: str) -> Any:
    return msgspec.json.decode(fields[name]) if name in fields else None
