"""Sources of bid requests: request files, or the market simulator."""

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
from simulation.auctions import Auctions, SimulatedMarket
from simulation.exchange.auction import Kind
from simulation.exchange.protocol import CheckedBid
from simulation.requests import to_openrtb
from simulation.truth import Impressions

FLAT_CLICK_RATE = 0.01
"""Click probability where nothing better is known."""

FLAT_CONVERSION_RATE = 0.05
"""Conversion probability of a click where nothing better is known."""

_BLOCK = 1024  # auctions simulated at a time, in a fraction of a millisecond

_Raw = dict[str, msgspec.Raw]


class RequestSourceError(ValueError):
    """An error for a request file that cannot be used at all."""


class UserBehaviour(Protocol):
    """The person who sees an impression, and how they react."""

    def click_probability(self, bid: CheckedBid) -> float:
        """Return the probability that the ad is clicked."""

    def conversion_probability(self, bid: CheckedBid) -> float:
        """Return the probability that the click converts."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A bid request to send, and what else the exchange knows.

    Attributes:
        body: JSON body, sent as it is.
        market_cpm: highest competing price, CPM; None if unknown.
        audience: person who would see it.
        luck: seed of this offer's random draws, so that results do not depend on the order of answers.
    """

    body: bytes
    market_cpm: float | None
    audience: UserBehaviour
    luck: int

    def chance(self, imp_id: str) -> random.Random:
        """Return a random generator for one impression of the offer."""
        return random.Random(f"{self.luck}/{imp_id}")


@dataclass(frozen=True, slots=True)
class Logged:
    """The audience of a logged impression, as far as the log tells.

    Attributes:
        clicked: whether it was clicked by the log; None if the log does not say.
    """

    clicked: bool | None = None

    def click_probability(self, bid: CheckedBid) -> float:
        """Return 0 or 1 as logged, else a flat rate."""
        return FLAT_CLICK_RATE if self.clicked is None else float(self.clicked)

    def conversion_probability(self, bid: CheckedBid) -> float:
        """Return a flat rate."""
        return FLAT_CONVERSION_RATE


@dataclass(frozen=True, slots=True)
class Simulated:
    """The audience of a simulated impression.

    Attributes:
        market: market whose truth applies.
        impression: batch of one.
    """

    market: SimulatedMarket
    impression: Impressions

    def click_probability(self, bid: CheckedBid) -> float:
        """Return the simulator's true probability."""
        return float(self.market.truth.click(self.impression, bid.bid.cid, _creative_of(bid))[0])

    def conversion_probability(self, bid: CheckedBid) -> float:
        """Return the simulator's true probability."""
        return float(self.market.truth.conversion(self.impression, bid.bid.cid)[0])


def from_files(
    paths: Sequence[Path], seed: int, *, endless: bool, on_bad_line: Callable[[str], None]
) -> Iterator[Offer]:
    """Yield offers from files with a JSON object per line: a request, or an object with one under `request`.

    Args:
        paths: files, read one after the other, a line at a time.
        seed: seed of random draws.
        endless: start again after the last file, instead of stopping.
        on_bad_line: called in the first pass with the file, number and reason of each line without a JSON object.

    Raises:
        SourceError: no line of any file is usable, or a file is not text.
    """
    number = 0
    first_pass = True
    while first_pass or endless:
        for path in paths:
            for line_number, line in _lines(path):
                try:
                    yield _read_line(line, _luck(seed, number))
                    number += 1
                except RequestSourceError as error:
                    if first_pass:
                        on_bad_line(f"{path}:{line_number}: {error}")
        if number == 0:
            raise RequestSourceError(
                f"no JSON object in {', '.join(map(str, paths))}: expected one bid request per line"
            )
        first_pass = False


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        yield from ((number, line) for number, line in read_lines(path) if line.strip())
    except BadTable as error:
        raise RequestSourceError(str(error)) from error


def from_market(seed: int, kind: Kind) -> Iterator[Offer]:
    """Yield offers from the market simulator, endlessly.

    Args:
        seed: seed of traffic and random draws; the market is the one that the models are trained on.
        kind: kind of auction stated in the requests.
    """
    market = reference.market(seed)
    while True:
        auctions = market.step(_BLOCK)
        for i in range(len(auctions)):
            yield _simulated(market, auctions, i, kind, seed)


def _luck(seed: int, number: int) -> int:
    """Return the seed of one numbered offer."""
    return seed * 1_000_003 + number


def _creative_of(bid: CheckedBid) -> str:
    """Return the creative's id within its campaign: `crid` without the campaign's id and the separator."""
    campaign, crid = bid.bid.cid, bid.bid.crid
    return crid[len(campaign) + 1 :] if campaign and crid.startswith(campaign) else crid


def _simulated(market: SimulatedMarket, auctions: Auctions, i: int, kind: Kind, seed: int) -> Offer:
    impression = Impressions(*(np.array([values[i]]) for values in (auctions.user, auctions.slot, auctions.hour)))
    return Offer(
        body=msgspec.json.encode(to_openrtb(market, auctions, i, kind)),
        market_cpm=micros_to_cpm(int(auctions.market_price_micros[i])),
        audience=Simulated(market, impression),
        luck=_luck(seed, int(auctions.number[i])),
    )


def _read_line(line: bytes, luck: int) -> Offer:
    """Parse a line of a request file; the request's bytes stay as they are."""
    try:
        fields = msgspec.json.decode(line, type=_Raw)
        if "request" not in fields:
            return Offer(line.strip(), None, Logged(), luck)
        price, click = _value(fields, "market_price_cpm"), _value(fields, "click")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestSourceError(f"not a JSON object ({error})") from error
    if price is not None and not (isinstance(price, int | float) and 0 <= price < 1e9):
        raise RequestSourceError(f"market_price_cpm {price!r} is not a price")
    if click not in (None, 0, 1):
        raise RequestSourceError(f"click {click!r} is neither 0 nor 1")
    market_cpm = None if price is None else float(price)
    return Offer(bytes(fields["request"]), market_cpm, Logged(None if click is None else bool(click)), luck)


def _value(fields: _Raw, name: str) -> Any:
    return msgspec.json.decode(fields[name]) if name in fields else None
