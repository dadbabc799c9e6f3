"""The auctions: each server, format and price adjustment, in dollars and euros; imps of several formats."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

from rtb.campaigns.campaign import Budget, Campaign, Goal
from rtb.campaigns.creative import AudioAd, Creative, Image, MediaFile, NativeAd, VideoAd
from verification.prebid_server.clients import SERVERS, PrebidServer

Json = dict[str, Any]

ADJUSTMENTS = (0.5, 0.6, 0.75, 0.9, 1.0, 1.1, 1.25, 1.4)
CURRENCIES = ("USD", "EUR")
LATE_SECONDS = 61.0
"""How long after its bid the page of a late auction shows a banner: `exp` of a web banner, and a second."""

_SHOP = "https://shop.example/"
_CDN = "https://cdn.example/"
_BUDGET_MICROS = 10**13
_VALUES = {"banner": 2_000_000, "video": 9_000_000, "native": 5_000_000, "audio": 14_000_000}
"""Micros that a click is worth: of an imp with several formats, the last one that any server looks for pays most."""

_NATIVE = {
    "ver": "1.2",
    "eventtrackers": [{"event": 1, "methods": [1, 2]}],
    "assets": [{"id": 1, "required": 1, "title": {"len": 90}}, {"id": 2, "img": {"type": 3, "wmin": 300, "hmin": 150}}],
}
_SLOTS: dict[str, Json] = {
    "banner": {"format": [{"w": 300, "h": 250}, {"w": 728, "h": 90}]},
    "video": {
        "mimes": ["video/mp4"],
        "protocols": [2, 3, 5, 6, 7, 8],
        "minduration": 5,
        "maxduration": 30,
        "w": 640,
        "h": 360,
    },
    "native": {"request": json.dumps(_NATIVE), "ver": "1.2"},
    "audio": {"mimes": ["audio/mpeg"], "minduration": 5, "maxduration": 30},
}


class Auction(NamedTuple):
    """One auction of a server.

    Attributes:
        number: its number, from 1.
        server: who asks.
        formats: formats that its imp offers.
        currency: currency that it asks for.
        adjustment: factor of the price that the page knows.
        is_late: whether its ad is shown after the bid's `exp`.
    """

    number: int
    server: PrebidServer
    formats: tuple[str, ...]
    currency: str
    adjustment: float
    is_late: bool = False

    @property
    def imp(self) -> Json:
        """Its imp."""
        own = {kind: _SLOTS[kind] for kind in self.formats}
        return {
            "id": "1",
            **own,
            "secure": 1,
            "bidfloor": 0.01,
            "bidfloorcur": "USD",
            "ext": {"bidder": {"tag": "raybid"}},
        }

    @property
    def request(self) -> Json:
        """What the server sends."""
        return {
            "id": f"{self.server.name}-{self.number}",
            "imp": [self.imp],
            "site": {"domain": "news.example", "page": "https://news.example/today", "publisher": {"id": "p-1"}},
            "device": {"ua": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0", "ip": "192.0.2.0"},
            "at": 1,
            "tmax": 5_000,
            "cur": [self.currency],
            "source": {"tid": f"t-{self.number}", "ext": {"omidpn": "Prebid"}},
            "ext": {"prebid": {"channel": {"name": "pbjs"}, "auctiontimestamp": 1_790_000_000_000 + self.number}},
        }


def auctions_of(servers: Sequence[PrebidServer] = SERVERS, *, late: int = 8) -> list[Auction]:
    """Return all auctions; those whose ads are shown late come first."""
    found = [Auction(0, servers[place % len(servers)], ("banner",), "USD", 0.5, is_late=True) for place in range(late)]
    for server in servers:
        found += [Auction(0, server, *terms) for terms in _terms(server)]
    return [one._replace(number=number) for number, one in enumerate(found, 1)]


def _terms(server: PrebidServer) -> Iterator[tuple[tuple[str, ...], str, float]]:
    offered = [(kind,) for kind in server.formats]
    yield from product(offered, CURRENCIES, ADJUSTMENTS)
    several = [some for size in (2, 3, 4) for some in combinations(server.formats, size)]
    for place, some in enumerate(several):
        yield some, CURRENCIES[place % 2], ADJUSTMENTS[place % len(ADJUSTMENTS)]


def campaigns() -> list[Campaign]:
    """Return a campaign of each format, worth more the later a server looks for it."""
    return [
        Campaign(
            id=f"prebid-{kind}",
            name=f"Prebid {kind}",
            adomain=("shop.example",),
            budget=Budget(total_micros=_BUDGET_MICROS),
            goal=Goal(kind="click", value_micros=worth),
            creatives=(_CREATIVES[kind],),
        )
        for kind, worth in _VALUES.items()
    ]


def _file(mime: str, bitrate: int, w: int = 0, h: int = 0) -> MediaFile:
    return MediaFile(url=f"{_CDN}ad", mime=mime, bitrate=bitrate, w=w, h=h)


_CREATIVES = {
    "banner": Creative(id="banner", w=300, h=250, image_url=f"{_CDN}a.png", landing_url=_SHOP),
    "video": Creative(
        id="video",
        kind="video",
        landing_url=_SHOP,
        video=VideoAd(media=(_file("video/mp4", 1_000, 640, 360),), duration_seconds=15.0),
    ),
    "native": Creative(
        id="native",
        kind="native",
        landing_url=_SHOP,
        native=NativeAd(title="Fine shoes", images=(Image(url=f"{_CDN}b.png", w=1_200, h=627),)),
    ),
    "audio": Creative(
        id="audio",
        kind="audio",
        landing_url=_SHOP,
        audio=AudioAd(media=(_file("audio/mpeg", 128),), duration_seconds=15.0),
    ),
}
