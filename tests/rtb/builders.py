"""Campaigns, impressions and requests for tests, each with everything filled in but what the test is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from rtb.campaigns.campaign import Budget, Campaign, Goal, Targeting
from rtb.campaigns.creative import AudioAd, Creative, Image, MediaFile, NativeAd, VideoAd
from rtb.inventory.impression import Audience, Impression
from rtb.inventory.slots import BannerSlot
from rtb.models.winrate import market_key
from rtb.pacing.snapshot import PACING_DTYPE, PacingTable
from rtb.targeting.listing import Listing

MONDAY_NOON = 1_767_614_400.0
"""2026-01-05 12:00 UTC, a Monday."""


def make_creative(name: str = "banner", size: tuple[int, int] = (300, 250), **fields: Any) -> Creative:
    defaults = {"image_url": "https://cdn.example/a.png", "landing_url": "https://shop.example/"}
    return Creative(id=name, w=size[0], h=size[1], **{**defaults, **fields})


def make_file(mime: str = "video/mp4", **fields: Any) -> MediaFile:
    size = {"w": 1280, "h": 720} if mime.startswith("video/") else {}
    return MediaFile(**{"url": "https://cdn.example/ad", "mime": mime, "bitrate": 1_000, **size, **fields})


def make_video_ad(*media: MediaFile, seconds: float = 15.0, skip_after: float | None = None) -> VideoAd:
    return VideoAd(media=media or (make_file(),), duration_seconds=seconds, skip_after_seconds=skip_after)


def make_video(*media: MediaFile, seconds: float = 15.0, skip_after: float | None = None, **fields: Any) -> Creative:
    ad = make_video_ad(*media, seconds=seconds, skip_after=skip_after)
    return Creative(**{"id": "video", "kind": "video", "landing_url": "https://shop.example/", "video": ad, **fields})


def make_audio(*media: MediaFile, seconds: float = 15.0, **fields: Any) -> Creative:
    ad = AudioAd(media=media or (make_file("audio/mpeg", bitrate=128),), duration_seconds=seconds)
    return Creative(**{"id": "audio", "kind": "audio", "landing_url": "https://shop.example/", "audio": ad, **fields})


def make_image(w: int, h: int, **fields: Any) -> Image:
    return Image(**{"url": f"https://cdn.example/{w}x{h}.png", "w": w, "h": h, **fields})


def make_native(native: NativeAd | None = None, **fields: Any) -> Creative:
    ad = native or NativeAd(title="Fine shoes", images=(make_image(1200, 627),), icons=(make_image(80, 80),))
    return Creative(
        **{"id": "native", "kind": "native", "landing_url": "https://shop.example/", "native": ad, **fields}
    )


def make_campaign(name: str = "spring", *, value: int = 2_000_000, max_bid: int = 0, **fields: Any) -> Campaign:
    kind = fields.pop("kind", "click")
    budget = Budget(total_micros=fields.pop("budget", 1_000_000_000))
    defaults: dict[str, Any] = {
        "name": name,
        "adomain": ("shop.example",),
        "budget": budget,
        "goal": Goal(kind=kind, value_micros=value, max_bid_micros=max_bid),
        "targeting": Targeting(),
        "creatives": (make_creative(),),
    }
    return Campaign(id=name, **{**defaults, **fields})


def make_audience(**fields: Any) -> Audience:
    defaults = Audience("site", "news.example", "USA", "USA/CA", 2, "linux", 12, ())
    return defaults._replace(**fields)


def make_impression(
    audience: Audience | None = None, *, sizes: Sequence[tuple[int, int]] = ((300, 250),), **fields: Any
) -> Impression:
    """Build a banner's impression; a slot's fields, such as `battr`, may be given by name."""
    traits = {name: fields.pop(name) for name in list(fields) if name in BannerSlot.__struct_fields__}
    slot = BannerSlot(sizes=tuple(sizes), **{"pos": 1, **traits})
    return Impression("1", audience or make_audience(), slot)._replace(**fields)


def make_request(**fields: Any) -> dict[str, Any]:
    request = {
        "id": "request",
        "imp": [{"id": "1", "banner": {"w": 300, "h": 250}}],
        "site": {"domain": "news.example"},
        "device": {"devicetype": 2, "os": "Linux", "geo": {"country": "USA", "region": "CA"}},
        **fields,
    }
    return {name: value for name, value in request.items() if value is not ...}


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def make_table(listings: Sequence[Listing], **columns: Any) -> PacingTable:
    """Build a pacing table where every campaign is open, on schedule, and under its own terms."""
    table = np.zeros(len(listings), PACING_DTYPE)
    table["number"] = [listing.number for listing in listings]
    table["open"] = True
    table["by_conversion"] = [listing.campaign.goal.kind == "conversion" for listing in listings]
    table["value_micros"] = [listing.campaign.goal.value_micros for listing in listings]
    table["max_bid_micros"] = [listing.campaign.goal.max_bid_micros for listing in listings]
    for name in ("budget_total", "budget_left", "time_total", "time_left"):
        table[name] = 1.0
    for name, values in columns.items():
        fill(table, name, values)
    return table


MARKET = market_key(7, 9)
"""Where the campaigns of a made table know prices."""


def fill(table: PacingTable, name: str, values: Any) -> None:
    """Set a column of a pacing table; `median` and `shape` are those of `MARKET`."""
    if name in ("median", "shape"):
        table["markets"]["key"][:, 0] = MARKET
        table["markets"][name][:, 0] = values
    else:
        table[name] = values
