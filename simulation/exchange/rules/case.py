"""The input of a rule: one bid with the imp and the request that it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from simulation.exchange.rules.raw import Json, integer, obj, objects, text

FORMATS = ("banner", "video", "audio", "native")
"""Formats an imp can offer; the position is `mtype`, from 1."""

Rates = Mapping[str, float]
"""Units of each currency per US dollar."""


@dataclass(frozen=True)
class BidCase:
    """A bid to judge.

    Attributes:
        request: request as sent.
        imp: imp it bids on.
        bid: bid as answered.
        seat: seat it is for.
        currency: currency of the price.
        rates: exchange rates.
    """

    request: Json
    imp: Json
    bid: Json
    seat: str
    currency: str
    rates: Rates

    @cached_property
    def format(self) -> str:
        """Format of the bid (`mtype`), else the only one offered; empty if neither tells."""
        mtype = integer(self.bid.get("mtype"))
        if mtype is not None:
            return FORMATS[mtype - 1] if 1 <= mtype <= len(FORMATS) else ""
        offered = offered_formats(self.imp)
        return offered[0] if len(offered) == 1 else ""

    @property
    def slot(self) -> Json:
        """The imp's object for the bid's format."""
        return obj(self.imp.get(self.format))

    @property
    def deal(self) -> Json | None:
        """The imp's deal that the bid names; None if it names none, or one that is not the imp's."""
        named = text(self.bid.get("dealid"))
        found = [deal for deal in deals_of(self.imp) if named and text(deal.get("id")) == named]
        return found[0] if found else None


Rule = Callable[[BidCase], Iterable[str]]
"""A function that yields what is wrong with a bid, in words; nothing if all is well."""


def offered_formats(imp: Json) -> list[str]:
    """Return the formats that an imp offers; an empty list is an empty object, as PHP writes both alike."""
    return [name for name in FORMATS if isinstance(imp.get(name), dict) or imp.get(name) == []]


def deals_of(imp: Json) -> list[Json]:
    """Return the deals that an imp offers."""
    return objects(obj(imp.get("pmp")).get("deals"))


def is_private(imp: Json) -> bool:
    """Return whether an imp is for deals only."""
    return integer(obj(imp.get("pmp")).get("private_auction")) == 1


def same_or_below(name: str, above: str, separator: str) -> bool:
    """Return whether a category is another one or below it: `IAB1-2` is below `IAB1`."""
    return name == above or name.startswith(above + separator)
