"""Imps that an honest bidder could answer, whatever it sells; the others are counted by reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from simulation.exchange.rules.case import Rates, deals_of, is_private, offered_formats
from simulation.exchange.rules.money import DEFAULT_CURRENCY, allowed_currencies
from simulation.exchange.rules.native import ASSETS, assets_asked, kind_of
from simulation.exchange.rules.raw import Json, categories, host, integer, integers, listed, number, obj, text, texts
from simulation.exchange.rules.sizes import exact_sizes, names_a_size
from simulation.exchange.rules.validity import format_faults, imp_faults

REASONS = {
    "invalid_request": "the imp violates OpenRTB; where all imps of a request do, the answer must be 400",
    "no_rate": "only currencies without a known exchange rate for bids or floors",
    "private_deal": "for deals only, and none of them is ours",
    "seats": "for seats (wseat, bseat) none of which is ours",
    "categories": "only for ad categories (acat, bcat) that we do not have",
    "advertisers": "all our advertisers are blocked (badv)",
    "time": "tmax too short to answer over a network",
    "no_size": "a banner without any size: nothing is known to fit",
    "markup": "a banner that blocks every kind of markup (btype), or takes none of the known media types",
    "mimes": "video or audio of unknown media types only",
    "duration": "video or audio whose minimum duration exceeds its maximum",
    "bit_rate": "video or audio at bit rates too low for any content",
    "asset": "native with a required asset of an exchange-specific kind",
}
"""Reasons why an imp cannot be answered."""

_LEAST_TMAX_MS = 10
_LEAST_KBITS = {"video": 50, "audio": 16}
_MEDIA_TYPES = {"video": ("video/", "application/"), "audio": ("audio/", "video/", "application/")}
_BANNER_TYPES = ("image/", "text/", "application/")
_BANNER_AD_TYPES = frozenset({1, 2, 3, 4})
_OWN_DATA_TYPES = 500
_LARGEST_PIXELS = 10_000


@dataclass(frozen=True)
class BidderCreatives:
    """The supply of a bidder.

    Attributes:
        rates: units of each currency per US dollar.
        seats: seats it buys for.
        deals: deals it has, by id, with their seats.
        categories: ad categories, one or more per advertiser.
        advertisers: domains of its advertisers.
    """

    rates: Rates
    seats: frozenset[str]
    deals: Collection[str]
    categories: frozenset[str]
    advertisers: frozenset[str]


def impossible(request: Json, imp: Json, held: BidderCreatives) -> str:
    """Return why no honest bidder could answer an imp, one of `REASONS`; empty if one could."""
    found = _of_request(request, held) or _of_terms(imp, held)
    if found:
        return found
    if any(imp_faults(imp)):
        return "invalid_request"
    sound = [name for name in offered_formats(imp) if not any(format_faults(imp, name))]
    reasons = [_OF_FORMAT[name](obj(imp[name])) for name in sound]
    return "" if not all(reasons) else reasons[0] if reasons else "invalid_request"


def _of_request(request: Json, held: BidderCreatives) -> str:
    allowed, blocked = listed(request.get("wseat")), listed(request.get("bseat"))
    if not (held.seats & set(allowed) if allowed else held.seats - set(blocked)):
        return "seats"
    if not allowed_currencies(request) & set(held.rates):
        return "no_rate"
    tmax = number(request.get("tmax"))
    if tmax is not None and 0 < tmax < _LEAST_TMAX_MS:
        return "time"
    if not _categories_left(request, held):
        return "categories"
    badv = [host(name) for name in listed(request.get("badv"))]
    if all(any(mine == name or mine.endswith("." + name) for name in badv) for mine in held.advertisers):
        return "advertisers"
    return ""


def _categories_left(request: Json, held: BidderCreatives) -> bool:
    acat, bcat = categories(request.get("acat")), categories(request.get("bcat"))
    if not (acat or bcat):
        return True
    if (integer(request.get("cattax")) or 1) != 1:
        return False

    def below(name: str, lists: list[str]) -> bool:
        return any(name == entry or name.startswith(entry + "-") for entry in lists)

    return any((not acat or below(name, acat)) and not below(name, bcat) for name in held.categories)


def _of_terms(imp: Json, held: BidderCreatives) -> str:
    open_to_us = [
        deal
        for deal in deals_of(imp)
        if text(deal.get("id")) in held.deals
        and (not texts(deal.get("wseat")) or held.seats & set(texts(deal.get("wseat"))))
    ]
    if is_private(imp) and not open_to_us:
        return "private_deal"
    terms = open_to_us if is_private(imp) else [*open_to_us, imp]
    if all(_lacks_rate(one, held.rates) for one in terms):
        return "no_rate"
    return ""


def _lacks_rate(terms: Json, rates: Rates) -> bool:
    floor = number(terms.get("bidfloor"))
    return bool(floor) and (text(terms.get("bidfloorcur")).upper() or DEFAULT_CURRENCY) not in rates


def _banner(slot: Json) -> str:
    sizes = exact_sizes(slot)
    if not names_a_size(slot) or (sizes and min(max(size) for size in sizes) > _LARGEST_PIXELS):
        return "no_size"
    mimes = [mime.lower() for mime in texts(slot.get("mimes"))]
    if set(integers(slot.get("btype"))) >= _BANNER_AD_TYPES:
        return "markup"
    return "markup" if mimes and not any(mime.startswith(_BANNER_TYPES) for mime in mimes) else ""


def _media(kind: str, slot: Json) -> str:
    if not any(mime.lower().startswith(_MEDIA_TYPES[kind]) for mime in texts(slot.get("mimes"))):
        return "mimes"
    least, most = number(slot.get("minduration")), number(slot.get("maxduration"))
    pod, exact = number(slot.get("poddur")), integers(slot.get("rqddurs"))
    least = max(least or 0.0, min(exact, default=0))
    if (pod and least > pod) or (most and not exact and least > most):
        return "duration"
    rate = number(slot.get("maxbitrate"))
    return "bit_rate" if rate and rate < _LEAST_KBITS[kind] else ""


def _video(slot: Json) -> str:
    return _media("video", slot)


def _audio(slot: Json) -> str:
    return _media("audio", slot)


def _native(slot: Json) -> str:
    wishes = [wish for wish in assets_asked(slot).values() if integer(wish.get("required")) == 1]
    for wish in wishes:
        kind = kind_of(wish)
        if kind not in ASSETS or (kind == "data" and (integer(wish["data"].get("type")) or 0) >= _OWN_DATA_TYPES):
            return "asset"
        if kind == "video" and (why := _media("video", wish["video"])):
            return why
    return ""


_OF_FORMAT = {"banner": _banner, "video": _video, "audio": _audio, "native": _native}
