"""Campaigns with a creative for everything that the requests of some files ask for, and money for all of it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from rtb.campaigns.campaign import Campaign, decode_campaign
from simulation.exchange.rules.case import deals_of, offered_formats
from simulation.exchange.rules.native import assets_asked, kind_of
from simulation.exchange.rules.possible import BidderCreatives
from simulation.exchange.rules.raw import Json, integer, integers, number, obj, objects, text, texts
from simulation.exchange.rules.sellers import DEMANDING
from simulation.exchange.rules.sizes import exact_sizes, flexible_sizes, size_range

SEAT = "raybid"
RATES = {
    **{"USD": 1.0, "EUR": 0.92, "GBP": 0.79, "CHF": 0.88, "JPY": 150.0, "CNY": 7.2, "AUD": 1.5, "CAD": 1.36},
    **{"NZD": 1.65, "SEK": 10.5, "NOK": 10.7, "DKK": 6.9, "PLN": 4.0, "CZK": 23.0, "HUF": 360.0, "RON": 4.6},
    **{"BGN": 1.8, "TRY": 34.0, "RUB": 92.0, "UAH": 41.0, "ILS": 3.7, "ZAR": 18.0, "AED": 3.67, "SAR": 3.75},
    **{"INR": 84.0, "IDR": 15_800.0, "THB": 35.0, "VND": 25_000.0, "PHP": 57.0, "MYR": 4.5, "SGD": 1.34, "HKD": 7.8},
    **{"TWD": 32.0, "KRW": 1_350.0, "BRL": 5.6, "MXN": 19.0, "ARS": 980.0, "CLP": 940.0, "COP": 4_200.0, "PEN": 3.75},
}
"""Approximate units of each currency per US dollar; both sides convert by this table."""

_CLICK_MICROS = 10**10
"""Value of a click: at one click in a thousand it bids a CPM of 10,000, above any realistic floor."""

_BUDGET_MICROS = 2**52
_MOST_CREATIVES = 64
_MOST_FILES = 64
_MOST_BYTES = 200_000
_MOST_IMAGES = 64  # the limit of a native creative
_MOST_PIXELS = 10_000
_MOST_OF_A_KIND = 24  # limit of seats and categories: a file that names thousands tests nothing more
_MOST_DEALS = 256  # the limit of a campaign
_DURATIONS = (5, 6, 10, 15, 20, 30, 45, 60, 90, 120)
_IN_NATIVE = (10, 30)
_KBITS = {"video": (400, 1_200, 4_000), "audio": (48, 96, 320)}
_MEDIA = {"video": ("video/mp4", "video/webm"), "audio": ("audio/mpeg", "audio/mp4", "audio/ogg")}
_MEDIA_TYPE = re.compile(r"(video|audio|application)/[a-z0-9.+-]+")
_LANDING = "https://shop.example/landing"
_CDN = "https://cdn.example"


class _Advertiser(NamedTuple):
    """An advertiser that differs from the others in everything a request can block.

    Attributes:
        domain: domain of the advertiser.
        category: advertising category, content categories 1.0.
        picture: file suffix of its banner images; empty: markup.
        seat: seat that buys for it.
        value_micros: value of a click.
    """

    domain: str
    category: str
    picture: str
    seat: str = SEAT
    value_micros: int = _CLICK_MICROS


_ADVERTISERS = (
    _Advertiser("shop.example", "IAB22-4", "jpg"),
    _Advertiser("travel.example", "IAB20-3", "gif"),
    _Advertiser("food.example", "IAB8-5", "png"),
    _Advertiser("bank.example", "IAB13-7", ""),
    _Advertiser(DEMANDING, "IAB18-3", "png", value_micros=2 * _CLICK_MICROS),  # so that it wins where it may bid
)


class RequestedInventory(NamedTuple):
    """Inventory that requests ask for.

    Attributes:
        sizes: banner sizes.
        mimes: media types of video and audio, by format.
        seconds: durations that fit every slot, by format; `native`: durations of videos in native ads.
        images: sizes of images in native ads.
        seats: seats named in `wseat`.
        deals: deal ids.
        categories: categories named in `acat`.
    """

    sizes: list[tuple[int, int]]
    mimes: dict[str, list[str]]
    seconds: dict[str, list[int]]
    images: list[tuple[int, int]]
    seats: list[str]
    deals: list[str]
    categories: list[str]


def wishes_of(requests: Iterable[Json]) -> RequestedInventory:
    """Collect the inventory that these requests ask for."""
    mimes = {kind: list(names) for kind, names in _MEDIA.items()}
    found = RequestedInventory([], mimes, {"video": [], "audio": [], "native": []}, [], [], [], [])
    for request in requests:
        found.seats.extend(texts(request.get("wseat")))
        found.categories.extend(texts(request.get("acat")))
        for imp in objects(request.get("imp")):
            _look(imp, found)
    return found._replace(
        sizes=sorted({size for size in found.sizes if max(size) <= _MOST_PIXELS}),
        mimes={kind: _media_types(names) for kind, names in found.mimes.items()},
        seconds={
            kind: sorted({*seconds, *(_DURATIONS if kind != "native" else _IN_NATIVE)})
            for kind, seconds in found.seconds.items()
        },
        images=sorted({size for size in found.images if max(size) <= _MOST_PIXELS}),
        seats=_few(found.seats, _MOST_OF_A_KIND),
        deals=_few(found.deals, _MOST_DEALS),
        categories=_few(found.categories, _MOST_OF_A_KIND),
    )


def campaigns_for(wishes: RequestedInventory) -> list[Campaign]:
    """Build campaigns that can serve all of it; an id is derived from its content, so that it is reproducible."""
    advertisers = [
        *_ADVERTISERS,
        *(_Advertiser(f"c{n}.example", name, "") for n, name in enumerate(wishes.categories)),
        *(_ADVERTISERS[0]._replace(seat=seat) for seat in wishes.seats if seat != SEAT and _is_name(seat)),
    ]
    return [campaign for advertiser in advertisers for campaign in _campaigns(advertiser, wishes)]


def held_by(campaigns: Sequence[Campaign]) -> BidderCreatives:
    """Return what a bidder with these campaigns can sell."""
    return BidderCreatives(
        rates=RATES,
        seats=frozenset(campaign.seat for campaign in campaigns),
        deals=frozenset(deal.id for campaign in campaigns for deal in campaign.deals),
        categories=frozenset(category for campaign in campaigns for category in campaign.cat),
        advertisers=frozenset(domain for campaign in campaigns for domain in campaign.adomain),
    )


def _look(imp: Json, found: RequestedInventory) -> None:
    found.deals.extend(text(deal.get("id")) for deal in deals_of(imp))
    for deal in deals_of(imp):
        found.seats.extend(texts(deal.get("wseat")))
    for kind in offered_formats(imp):
        slot = obj(imp[kind])
        if kind == "banner":
            found.sizes.extend(_banner_sizes(slot))
        elif kind == "native":
            for wish in assets_asked(slot).values():
                if kind_of(wish) == "img":
                    found.images.append(_image_size(wish["img"]))
                elif kind_of(wish) == "video":
                    _look_at_media("native", wish["video"], found)
        else:
            _look_at_media(kind, slot, found)


def _banner_sizes(slot: Json) -> Iterator[tuple[int, int]]:
    yield from exact_sizes(slot)
    for across, down, least in flexible_sizes(slot):
        w = math.ceil(least / across) * across
        yield round(w), round(w * down / across)
    bounds = size_range(slot)
    if bounds is not None:
        yield bounds[1]


def _image_size(wish: Json) -> tuple[int, int]:
    w, h = (integer(wish.get(side)) or integer(wish.get(side + "min")) or 0 for side in ("w", "h"))
    return max(w or h, 1), max(h or w, 1)


def _look_at_media(kind: str, slot: Json, found: RequestedInventory) -> None:
    found.mimes["video" if kind == "native" else kind].extend(texts(slot.get("mimes")))
    exact = integers(slot.get("rqddurs"))
    least, most = number(slot.get("minduration")) or 0.0, number(slot.get("maxduration")) or math.inf
    most = min(most, number(slot.get("poddur")) or math.inf)
    if exact:
        found.seconds[kind].extend(n for n in exact if n > 0)
    elif (
        not any(least <= n <= most for n in (_IN_NATIVE if kind == "native" else _DURATIONS))
        and least <= most
        and max(least, 1) <= 86_400
    ):
        found.seconds[kind].append(math.ceil(max(least, 1)) if most == math.inf else int(max(least, 1)))


def _few(names: list[str], most: int) -> list[str]:
    return sorted(set(names) - {""})[:most]


def _media_types(names: list[str]) -> list[str]:
    return sorted({name.lower() for name in names if _MEDIA_TYPE.fullmatch(name.lower())})


def _is_name(seat: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", seat) is not None


def _campaigns(advertiser: _Advertiser, wishes: RequestedInventory) -> Iterator[Campaign]:
    banners = [_banner(size, advertiser) for size in wishes.sizes]
    others = {kind: list(_media(kind, wishes)) for kind in ("video", "audio")}
    for kind, creatives in {"banner": banners, **others, "native": list(_natives(wishes))}.items():
        for some in _loads(creatives):
            yield _campaign(kind, advertiser, some, wishes.deals)


def _loads(creatives: list[Json]) -> Iterator[list[Json]]:
    """Split creatives into loads that a campaign accepts, by number and size."""
    some: list[Json] = []
    room = _MOST_BYTES
    for creative in creatives:
        size = len(msgspec.json.encode(creative))
        if some and (len(some) == _MOST_CREATIVES or size > room):
            yield some
            some, room = [], _MOST_BYTES
        some.append(creative)
        room -= size
    if some:
        yield some


def _campaign(kind: str, advertiser: _Advertiser, creatives: list[Json], deals: list[str]) -> Campaign:
    fields: dict[str, Any] = {
        "name": f"conformance, {kind}",
        "adomain": [advertiser.domain],
        "cat": [advertiser.category],
        "seat": advertiser.seat,
        "budget": {"total_micros": _BUDGET_MICROS},
        "goal": {"value_micros": advertiser.value_micros},
        "supply": {"complete_chain": advertiser.domain == DEMANDING},
        "deals": [{"id": deal} for deal in deals],
        "creatives": creatives,
    }
    digest = hashlib.sha256(msgspec.json.encode(fields)).hexdigest()[:10]
    return decode_campaign(msgspec.json.encode({"id": f"conformance-{kind}-{digest}", **fields}))


def _banner(size: tuple[int, int], advertiser: _Advertiser) -> Json:
    w, h = size
    creative: Json = {"id": f"{w}x{h}", "landing_url": _LANDING, "w": w, "h": h}
    if advertiser.picture:
        creative["image_url"] = f"{_CDN}/{w}x{h}.{advertiser.picture}"
    else:
        creative["adm"] = f'<a href="{{click_url}}"><img src="{_CDN}/{w}x{h}.webp" width="{w}" height="{h}"></a>'
    return creative


def _media(kind: str, wishes: RequestedInventory) -> Iterator[Json]:
    for mimes in _chunks(wishes.mimes[kind], _MOST_FILES // (2 * len(_KBITS[kind]))):
        for seconds in wishes.seconds[kind]:
            name = f"{seconds}s-{mimes[0].replace('/', '.').replace('+', '.')}"[:64]
            yield {"id": name, "kind": kind, "landing_url": _LANDING, kind: _played(kind, mimes, seconds)}


def _played(kind: str, mimes: list[str], seconds: int) -> Json:
    frame = {"w": 1280, "h": 720} if kind == "video" else {}
    media = [
        {"url": f"{_CDN}/{seconds}-{rate}", "mime": mime, "bitrate": rate, "delivery": delivery, **frame}
        for mime in mimes
        for rate in _KBITS[kind]
        for delivery in ("progressive", "streaming")
    ]
    return {"media": media, "duration_seconds": seconds}


def _natives(wishes: RequestedInventory) -> Iterator[Json]:
    sizes = wishes.images[:_MOST_IMAGES] or [(1200, 627)]
    kinds = ("jpg", "png", "gif", "webp")  # every size in the first of them, then in the next, as far as there is room
    every = [{"url": f"{_CDN}/{w}x{h}.{kind}", "w": w, "h": h} for kind in kinds for w, h in sizes]
    pictures = every[:_MOST_IMAGES]
    # A slot that asks for a video needs one, a long title does not fit every slot: one creative for each case.
    for title in ("A shop for everything you could ever want", "A shop for everything", "A shop"):
        for seconds in wishes.seconds["native"]:
            yield {
                "id": f"title{len(title)}-{seconds}s",
                "kind": "native",
                "landing_url": _LANDING,
                "native": {
                    "title": title,
                    "images": pictures,
                    "icons": pictures,
                    "video": _played("video", wishes.mimes["video"][:8], seconds),
                    "sponsored": "Shop",
                    "body": "All of it",
                    "body2": "And more",
                    "cta": "Buy",
                    "rating": "5",
                    "likes": "100",
                    "downloads": "1000",
                    "price": "10 USD",
                    "sale_price": "9 USD",
                    "phone": "555 0100",
                    "address": "1 Main St",
                    "display_url": "shop.test",
                },
            }


def _chunks(names: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]
