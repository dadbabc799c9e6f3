"""What a rule is given: one bid with the imp and the request it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from simulation.exchange.rules.raw import Json, integer, obj, objects, text

FORMATS = ("banner", "video", "audio", "native")
"""What an imp can offer; the places are those of `mtype`, from 1."""

Rates = Mapping[str, float]
"""Units of each currency that one US dollar buys."""


@dataclass(frozen=True)
class Case:
    """One bid to be judged.

    Attributes:
        request: as sent.
        imp: the one bid on.
        bid: as answered.
        seat: on whose behalf.
        currency: of the price.
        rates: between currencies.
    """

    request: Json
    imp: Json
    bid: Json
    seat: str
    currency: str
    rates: Rates

    @cached_property
    def format(self) -> str:
        """What the bid says it is (`mtype`), else the only thing offered; empty when neither says."""
        mtype = integer(self.bid.get("mtype"))
        if mtype is not None:
            return FORMATS[mtype - 1] if 1 <= mtype <= len(FORMATS) else ""
        offered = offered_formats(self.imp)
        return offered[0] if len(offered) == 1 else ""

    @property
    def slot(self) -> Json:
        """The imp's object of the bid's format."""
        return obj(self.imp.get(self.format))

    @property
    def deal(self) -> Json | None:
        """The imp's deal that the bid names; None when it names none, or none of the imp's."""
        named = text(self.bid.get("dealid"))
        found = [deal for deal in deals_of(self.imp) if named and text(deal.get("id")) == named]
        return found[0] if found else None


Rule = Callable[[Case], Iterable[str]]
"""Yields what is wrong with a bid, in words; nothing when all is well."""


def offered_formats(imp: Json) -> list[str]:
    """Formats an imp offers."""
    return [name for name in FORMATS if isinstance(imp.get(name), dict)]


def deals_of(imp: Json) -> list[Json]:
    """Deals an imp offers."""
    return objects(obj(imp.get("pmp")).get("deals"))


def is_private(imp: Json) -> bool:
    """Whether an imp is for deals only."""
    return integer(obj(imp.get("pmp")).get("private_auction")) == 1


def same_or_below(name: str, above: str, separator: str) -> bool:
    """Whether a category is another one or below it: `IAB1-2` is below `IAB1`."""
    return name == above or name.startswith(above + separator)
