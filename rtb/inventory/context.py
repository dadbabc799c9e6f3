"""What campaigns may target of an impression's context: content, place, supply chain and placement.

Few campaigns name any of it, and reading all would cost each request some microseconds. So the targeting index says
which kinds its campaigns name, and only those are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.inventory.context_readers import MEASURES, OF_IMP, OF_REQUEST, Values
from rtb.openrtb.supply_chain import chain_of, sellers_of
from rtb.openrtb.types import BidRequest, Geo, Imp
from rtb.privacy.permissions import UserDataPermissions
from rtb.sellers import Standing

Context = Mapping[str, Values]
"""Values of an impression by kind; absent kinds were not read."""

EMPTY: Context = {}
_NO_THRESHOLDS: Mapping[str, Sequence[float]] = {}

_EARTH_KM = 6_371.0
_DECIMALS = 3
"""Decimals of coordinates that are used: a hundred metres, which no house needs."""


class Circle(NamedTuple):
    """A circle on the ground: degrees north and east of its centre, and its radius in kilometres."""

    lat: float
    lon: float
    km: float

    @property
    def name(self) -> str:
        """Its value in the dimension `within`."""
        return f"{self.lat:g},{self.lon:g},{self.km:g}"


def name_of(threshold: float) -> str:
    """Return the value of a threshold in its dimension."""
    return f"{threshold:g}"


class ContextReader:
    """Reads the context of impressions, as far as campaigns name it.

    Args:
        kinds: kinds to read; others are not.
        circles: circles that campaigns name.
        thresholds: thresholds that campaigns name, by kind.
    """

    def __init__(
        self,
        kinds: Collection[str] = (),
        circles: Iterable[Circle] = (),
        thresholds: Mapping[str, Sequence[float]] = _NO_THRESHOLDS,
    ) -> None:
        self._of_request = [(kind, read) for kind, read in OF_REQUEST.items() if kind in kinds]
        self._of_imp = [(kind, read) for kind, read in OF_IMP.items() if kind in kinds]
        self._asks_standing = "authorised" in kinds
        self._circles = [*dict.fromkeys(circles)]
        self._degrees = np.array(self._circles, np.float64).reshape(-1, 3)
        self._thresholds = thresholds

    def __bool__(self) -> bool:
        return bool(self._of_request or self._of_imp or self._circles or self._thresholds or self._asks_standing)

    def of_request(
        self, request: BidRequest, allowed: UserDataPermissions, standing: Callable[[BidRequest], Standing]
    ) -> Context:
        """Return what all impressions of a request share; its place only where privacy signals allow a profile.

        Args:
            request: a validated request.
            allowed: user data that may be used.
            standing: function that says whether the sellers of a request may sell it.
        """
        found = {kind: read(request) for kind, read in self._of_request}
        if self._asks_standing:
            found["authorised"] = tuple(filter(None, [standing(request).value]))
        geo = request.device.geo if request.device is not None else None
        if not allowed.profile:
            found.pop("zip", None)
        elif self._circles and geo is not None:
            found["within"] = self._around(geo)
        if "chain_length" in self._thresholds:
            length = len(sellers_of(chain_of(request.source))) or math.inf
            found["chain_length"] = tuple(name_of(t) for t in self._thresholds["chain_length"] if length <= t)
        return found

    def of_imp(self, imp: Imp, shared: Context) -> Context:
        """Return the context of an imp, with what it shares with its request."""
        if not self._of_imp and not self._thresholds:
            return shared
        found = {kind: read(imp) for kind, read in self._of_imp}
        for kind, measure in MEASURES.items():
            if kind in self._thresholds:
                value = measure(imp)
                found[kind] = tuple(name_of(t) for t in self._thresholds[kind] if value >= t)
        return {**shared, **found}

    def _around(self, geo: Geo) -> Values:
        """Return the circles that a place is in; none where it is known less precisely than a circle is wide."""
        if geo.lat is None or geo.lon is None or not (abs(geo.lat) <= 90 and abs(geo.lon) <= 180):
            return ()
        if geo.lat == geo.lon == 0:  # what a caller without coordinates sends
            return ()
        km = _distances(round(geo.lat, _DECIMALS), round(geo.lon, _DECIMALS), self._degrees)
        inside = (km <= self._degrees[:, 2]) & ((geo.accuracy or 0) / 1_000 <= self._degrees[:, 2])
        return tuple(self._circles[place].name for place in np.flatnonzero(inside).tolist())


NO_CONTEXT = ContextReader()
"""Reader for campaigns that name no context."""


def _distances(lat: float, lon: float, circles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the kilometres from a place to the centres of circles, by the haversine formula."""
    lats, lons = np.radians(circles[:, 0]), np.radians(circles[:, 1])
    here, there = math.radians(lat), math.radians(lon)
    half = np.sin((lats - here) / 2) ** 2 + math.cos(here) * np.cos(lats) * np.sin((lons - there) / 2) ** 2
    distances: npt.NDArray[np.float64] = 2 * _EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return distances
