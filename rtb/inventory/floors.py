"""Floors of an impression in our currency: the deal's, else those by length, else the imp's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from rtb.openrtb.types import Audio, Deal, Imp, Video

Convert = Callable[[float, str], float | None]
"""Function from a CPM and its currency to a CPM in ours; `None` where there is no rate."""


class LengthFloor(NamedTuple):
    """The floor of creatives from `least` to `most` seconds long, CPM."""

    least: float
    most: float
    cpm: float


class Floors(NamedTuple):
    """The floors of an impression, CPM in our currency.

    Attributes:
        cpm: floor of creatives that no other one applies to.
        by_length: floors of creatives by length; the first that fits applies.
        per_second: floor per second of a creative's length; 0: none.
    """

    cpm: float = 0.0
    by_length: tuple[LengthFloor, ...] = ()
    per_second: float = 0.0

    @property
    def go_by_length(self) -> bool:
        """Whether the floor depends on the creative's length."""
        return bool(self.by_length or self.per_second)

    def of(self, seconds: float) -> float:
        """Return the floor of a creative of this length; 0 for one that does not play."""
        if not seconds:
            return self.cpm
        for floor in self.by_length:
            if floor.least <= seconds <= floor.most:
                return floor.cpm
        return self.per_second * seconds or self.cpm


class UnknownRate(Exception):
    """A floor in a currency without a rate."""


def floors_of(imp: Imp, played: Video | Audio | None, deal: Deal | None, convert: Convert) -> Floors:
    """Return the floors of one format of an imp, in the open auction or under a deal.

    A deal with a floor replaces all floors of the imp, in its own currency. One without leaves them.

    Args:
        imp: imp on offer.
        played: its video or audio object, where that is the format.
        deal: deal under which it is offered; none: the open auction.
        convert: conversion to our currency.

    Raises:
        UnknownRate: a floor is in a currency without a rate.
    """
    if deal is None and played is None:
        cpm = convert(imp.bidfloor, imp.bidfloorcur)
        if cpm is None:
            raise UnknownRate
        return Floors(cpm)
    if deal is not None and (deal.bidfloor > 0 or (played and (deal.durfloors or deal.mincpmpersec))):
        timed = deal if played else None
        if deal.bidfloor > 0:
            return _floors(deal.bidfloor, deal.bidfloorcur, timed, deal.bidfloorcur, convert)
        return _floors(imp.bidfloor, imp.bidfloorcur, timed, deal.bidfloorcur, convert)
    return _floors(imp.bidfloor, imp.bidfloorcur, played, imp.bidfloorcur, convert)


def _floors(
    cpm: float, currency: str, timed: Video | Audio | Deal | None, timed_currency: str, convert: Convert
) -> Floors:
    def converted(amount: float, named: str) -> float:
        ours = convert(amount, named)
        if ours is None:
            raise UnknownRate
        return ours

    if timed is None or not (timed.durfloors or timed.mincpmpersec):
        return Floors(converted(cpm, currency))
    by_length = tuple(
        LengthFloor(floor.mindur or 0.0, floor.maxdur or math.inf, converted(floor.bidfloor, timed_currency))
        for floor in timed.durfloors or ()
    )
    return Floors(converted(cpm, currency), by_length, converted(timed.mincpmpersec or 0.0, timed_currency))
