"""Schemas of VAST and DAAST: the order of elements, what is required, and the names of the creative."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import msgspec

from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.markup import NAMESPACE, read_ad
from simulation.exchange.rules.raw import Json, obj, objects, text

_ORDERS = {
    "InLine": (
        "AdSystem AdTitle Description Advertiser Pricing Survey Error Impression Category Creatives Extensions",
        "AdSystem Error Extensions Impression Pricing ViewableImpression AdServingId AdTitle AdVerifications Advertiser"
        " Category Creatives Description Expires Survey",
    ),
    "Creative": (
        "CreativeExtensions Linear CompanionAds NonLinearAds",
        "CompanionAds CreativeExtensions Linear NonLinearAds UniversalAdId",
    ),
    "Linear": (
        "Icons CreativeExtensions Duration TrackingEvents AdParameters VideoClicks AdInteractions MediaFiles",
        "Icons TrackingEvents AdParameters Duration MediaFiles VideoClicks",
    ),
}
"""Children in the order of IAB's schemas: before VAST 4.0, and from then on."""


def markup_schema(case: BidCase) -> Iterator[str]:
    """Check the VAST and DAAST documents of a bid against what their schemas require."""
    for markup in _documents(case):
        root = read_ad(markup)
        if root is None:
            continue
        is_newer = root.tag == "VAST" and root.get("version", "") >= "4"
        if is_newer != (f'xmlns="{NAMESPACE[1:-1]}"' in markup):
            yield f"{root.tag} {root.get('version')} with the wrong namespace"
        yield from _order(root, is_newer=is_newer)
        yield from _required(root)
        yield from _identity(case, root)


def _documents(case: BidCase) -> Iterator[str]:
    markup = text(case.bid.get("adm"))
    if case.format in ("video", "audio"):
        yield markup
    elif case.format == "native":
        for asset in objects(_answer(markup).get("assets")):
            yield text(obj(asset.get("video")).get("vasttag"))


def _answer(markup: str) -> Json:
    try:
        written = obj(msgspec.json.decode(markup))
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {}
    return obj(written.get("native")) or written


def _order(root: ElementTree.Element, *, is_newer: bool) -> Iterator[str]:
    for name, orders in _ORDERS.items():
        order = orders[is_newer].split()
        for element in root.iter(name):
            places = [order.index(child.tag) if child.tag in order else -1 for child in element]
            if -1 in places:
                yield f"{name} has {element[places.index(-1)].tag}"
            elif places != sorted(places):
                yield f"{name} has its elements in the order {' '.join(child.tag for child in element)}"


def _required(root: ElementTree.Element) -> Iterator[str]:
    for name in ("Impression", "Error"):
        if not all((element.text or "").strip() for element in root.iter(name)) or root.find(f".//{name}") is None:
            yield f"no address in {name}"
    if root.get("version", "") >= "4.1" and root.tag == "VAST":
        serving = root.findtext(".//AdServingId") or ""
        if not serving or "${" in serving:
            yield f"AdServingId is {serving!r}, which names no impression"
    if root.tag == "DAAST" and not all(file.get("id") for file in root.iter("MediaFile")):
        yield "a media file without id"


def _identity(case: BidCase, root: ElementTree.Element) -> Iterator[str]:
    """Check that the document names the creative as the bid does."""
    crid = text(case.bid.get("crid"))
    named = {element.get("id") for element in root.iter("Creative")}
    named |= {element.text for element in root.iter("UniversalAdId")}
    if named - {crid}:
        yield f"names the creative {', '.join(sorted(map(str, named)))}, the bid {crid!r}"
