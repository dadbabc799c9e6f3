"""Floors of one way to buy an imp, in our currency: the deal's, else those by length, else the imp's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rtb.openrtb.types import Audio, Deal, DurFloors, Imp, Video

Convert = Callable[[float, str], float | None]
"""CPM and its currency to CPM in ours; `None` where there is no rate."""


class LengthFloor(NamedTuple):
    """The floor of creatives from `least` to `most` seconds long, CPM."""

    least: float
    most: float
    cpm: float


class Floors(NamedTuple):
    """Lowest prices taken, CPM in our currency.

    Attributes:
        cpm: of a creative that no other floor is for.
        by_length: of creatives of some lengths; the first that fits counts.
        per_second: of a creative's length; 0: it does not count by length.
    """

    cpm: float = 0.0
    by_length: tuple[LengthFloor, ...] = ()
    per_second: float = 0.0

    @property
    def go_by_length(self) -> bool:
        """Whether the creative's length matters."""
        return bool(self.by_length or self.per_second)

    def of(self, seconds: float) -> float:
        """The floor for a creative this long; 0 for one that does not play."""
        if not seconds:
            return self.cpm
        for floor in self.by_length:
            if floor.least <= seconds <= floor.most:
                return floor.cpm
        return self.per_second * seconds or self.cpm


def floors_of(imp: Imp, played: Video | Audio | None, deal: Deal | None, convert: Convert) -> Floors | None:
    """The floors of one format of an imp, in the open auction or under a deal; `None` where a rate is missing.

    A deal that names a floor replaces all of the imp's, in a currency of its own. One that names none leaves them.
    """
    length_floors = _Source(imp.bidfloorcur, convert).by_length(played)
    whole = convert(imp.bidfloor, imp.bidfloorcur)
    if deal is not None:
        own = _Source(deal.bidfloorcur, convert)
        ...
