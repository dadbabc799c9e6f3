"""Validity of a request: what OpenRTB requires, checked on the raw JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulation.exchange.rules.case import deals_of, offered_formats
from simulation.exchange.rules.native import asked_of
from simulation.exchange.rules.raw import Json, integer, items, number, obj, objects, text, texts

_PLACES = ("site", "app", "dooh")
_MEASURES = {
    "banner": ("w", "h", "wmin", "wmax", "hmin", "hmax"),
    "video": ("w", "h", "minduration", "maxduration", "minbitrate", "maxbitrate", "poddur", "maxseq", "sequence"),
    "audio": ("minduration", "maxduration", "minbitrate", "maxbitrate", "poddur", "maxseq", "sequence"),
    "native": (),
}
_FORMAT_MEASURES = ("w", "h", "wratio", "hratio", "wmin")
_IMAGE_MEASURES = ("w", "h", "wmin", "hmin")
_ASSET_KINDS = ("title", "img", "video", "data")


def faults(request: Json) -> Iterator[str]:
    """Yield the rules of OpenRTB that a request breaks, in words; none if it is valid.

    An imp or a format that breaks one beside others that do not is no fault of the request: nobody bids on it.
    """
    if not text(request.get("id")):
        yield "no id"
    imps = objects(request.get("imp"))
    if not imps:
        yield "no imp"
    names = [name for imp in imps if (name := text(imp.get("id")))]
    if len(set(names)) < len(names):
        yield "two imps share an id"
    if sum(isinstance(request.get(place), dict) for place in _PLACES) > 1:
        yield "more than one of site, app and dooh"
    yield from _negative(request, ("tmax",))
    yield from _privacy(request)
    of_imps = [list(imp_faults(imp)) if text(imp.get("id")) else ["an imp without id"] for imp in imps]
    if all(of_imps):
        yield from (fault for some in of_imps for fault in some)


def _privacy(request: Json) -> Iterator[str]:
    regs, user = obj(request.get("regs")), obj(request.get("user"))
    for place in (regs, obj(regs.get("ext"))):
        if place.get("gdpr") not in (None, "") and integer(place.get("gdpr")) not in (0, 1):
            yield "gdpr is neither 0 nor 1"
    for place, name in ((regs, "us_privacy"), (regs, "gpp"), (user, "consent")):
        if any(not isinstance(value.get(name) or "", str) for value in (place, obj(place.get("ext")))):
            yield f"{name} is not a string"


def imp_faults(imp: Json) -> Iterator[str]:
    """Yield why nobody can bid on an imp, apart from its id."""
    kinds = offered_formats(imp)
    if not kinds:
        yield "an imp that offers no format"
    yield from _negative(imp, ("bidfloor",))
    for deal in deals_of(imp):
        if not text(deal.get("id")):
            yield "a deal without id"
        yield from _floors(deal)
    of_kinds = [list(format_faults(imp, kind)) for kind in kinds]
    if all(of_kinds):
        yield from (fault for some in of_kinds for fault in some)


def format_faults(imp: Json, kind: str) -> Iterator[str]:
    """Yield the rules of OpenRTB that a format of an imp breaks, in words."""
    slot = obj(imp[kind])
    yield from _negative(slot, _MEASURES[kind])
    yield from _floors(slot)
    if kind == "banner":
        for entry in objects(slot.get("format")):
            yield from _negative(entry, _FORMAT_MEASURES)
    elif kind == "native":
        yield from _native(slot)
    elif not texts(slot.get("mimes")):
        yield f"{kind} without mimes"


def _floors(terms: Json) -> Iterator[str]:
    yield from _negative(terms, ("bidfloor", "mincpmpersec"))
    for entry in objects(terms.get("durfloors")):
        yield from _negative(entry, ("bidfloor",))


def _native(slot: Json) -> Iterator[str]:
    asked = asked_of(slot)
    assets = objects(asked.get("assets"))
    if not assets:
        yield "a native request that is not JSON, or requests no asset"
    names = [integer(asset.get("id")) for asset in assets if "id" in asset]
    if names and (len(names) < len(assets) or None in names or len(set(names)) < len(names)):
        yield "native assets without a unique id"
    for asset in assets:
        yield from _asset(asset)
    for tracker in items(asked.get("eventtrackers")):
        if integer(obj(tracker).get("event")) is None or not items(obj(tracker).get("methods")):
            yield "an event tracker without event or methods"


def _asset(asset: Json) -> Iterator[str]:
    kinds = [kind for kind in _ASSET_KINDS if isinstance(asset.get(kind), dict)]
    if len(kinds) != 1:
        yield "a native asset of no kind, or of several kinds"
    title, data, video = (asset.get(kind) for kind in ("title", "data", "video"))
    if isinstance(title, dict) and not number(title.get("len")):
        yield "a title without len"
    if isinstance(data, dict) and integer(data.get("type")) is None:
        yield "data without type"
    yield from _negative(obj(asset.get("img")), _IMAGE_MEASURES)
    if isinstance(video, dict):
        lists, numbers = ("mimes", "protocols"), ("minduration", "maxduration")
        if not all(items(video.get(name)) for name in lists) or any(number(video.get(n)) is None for n in numbers):
            yield "a native video without mimes, protocols or durations"
        yield from _negative(video, numbers)


def _negative(place: dict[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        found = number(place.get(name))
        if found is not None and found < 0:
            yield f"{name} is negative"
