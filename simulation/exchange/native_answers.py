"""What a native answer of this bidder consists of, from an answer to a request for everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from rtb.campaigns.campaign import Budget, Campaign, Goal
from rtb.campaigns.creative import Creative, Image, MediaFile, NativeAd, VideoAd
from rtb.inventory.slots import DataNeed, ImageNeed, NativeAsset, NativeSlot, TitleNeed, VideoSlot
from rtb.markup import markup_of

_URL = "https://shop.example/"
_MESSAGES = {
    "assets": "Asset",
    "link": "Link",
    "title": "Title",
    "img": "Image",
    "data": "Data",
    "video": "Video",
    "eventtrackers": "EventTracker",
}


def written_fields() -> set[tuple[str, str]]:
    """Return the fields of a native answer that has every asset, by message of the specification."""
    needs: list[TitleNeed | DataNeed | ImageNeed | VideoSlot] = [TitleNeed(), DataNeed(2), ImageNeed(3), VideoSlot()]
    slot = NativeSlot(assets=tuple(NativeAsset(number, True, need) for number, need in enumerate(needs)))
    creative = _creative()
    budget, goal = Budget(total_micros=1), Goal(value_micros=1)
    campaign = Campaign(
        id="all", name="all", adomain=("shop.example",), budget=budget, goal=goal, creatives=(creative,)
    )
    answer = msgspec.json.decode(markup_of(slot, campaign, creative, _URL).filled(_URL, "bid", _URL))
    return set(_fields("NativeResponse", answer))


def _creative() -> Creative:
    image = Image(url=f"{_URL}a.png", w=600, h=400)
    file = MediaFile(url=f"{_URL}a.mp4", mime="video/mp4", bitrate=500, w=640, h=360)
    video = VideoAd(media=(file,), duration_seconds=15.0)
    ad = NativeAd(title="Shoes", body="Fine shoes", images=(image,), icons=(image,), video=video)
    return Creative(id="native", kind="native", landing_url=_URL, native=ad)


def _fields(message: str, answer: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in answer.items():
        yield message, name
        inner = _MESSAGES.get(name)
        for one in value if isinstance(value, list) else [value]:
            if inner is not None and isinstance(one, dict):
                yield from _fields(f"NativeResponse.{inner}", one)
