"""Native markup: the requested assets by id, in JSON.

Where a caller's profile says so, the address that charges the bid is an impression tracker: an `eventtracker` of
Native 1.2 (event 1, method 1), or one of the `imptrackers` where the request is older or takes no such event tracker.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import Creative, NativeAd
from rtb.inventory.slots import ImageNeed, NativeAsset, NativeSlot, TitleNeed, VideoSlot, answers, image_for, text_for
from rtb.markup.template import BID_ID, BILLING, CLICK_URL, Tracker
from rtb.markup.vast import document

_EVENT_TRACKER = Tracker(',"eventtrackers":[{"event":1,"method":1,"url":"', '"}]')
_IMPRESSION_TRACKER = Tracker(',"imptrackers":["', '"]')


def tracker_of(slot: NativeSlot) -> Tracker:
    """Return the tracker of an impression in the form that a native request takes."""
    return _EVENT_TRACKER if slot.ver >= "1.2" and not slot.other_trackers else _IMPRESSION_TRACKER


def native_markup(slot: NativeSlot, campaign: Campaign, creative: Creative, base: str) -> str:
    """Return the answer to a native request that the creative fits, with placeholders.

    Raises:
        ValueError: the creative does not fit.
    """
    native = creative.native
    if native is None:
        raise ValueError(f"the creative {creative.id!r} does not fit into the slot")
    assets = [
        _asset(asset, native, _vast(asset.need, campaign, creative, native, base))
        for asset in slot.assets
        if answers(asset, native)
    ]
    answer = f'{{"ver":"{slot.ver}","link":{{"url":"{CLICK_URL}"}},"assets":[{",".join(assets)}]{BILLING}}}'
    return f'{{"native":{answer}}}' if slot.wrapped else answer


def _vast(need: Any, campaign: Campaign, creative: Creative, native: NativeAd, base: str) -> str:
    """Return the VAST document of a requested video as the inside of a JSON string, with placeholders; else nothing."""
    if not isinstance(need, VideoSlot):
        return ""
    text = document(need, campaign, creative, native.video, base).replace(
        BILLING, ""
    )  # the ad has a tracker of its own
    return BID_ID.join(CLICK_URL.join(map(_inside, part.split(CLICK_URL))) for part in text.split(BID_ID))


def _asset(asset: NativeAsset, native: NativeAd, vast: str) -> str:
    """Return the JSON of one asset."""
    if vast:
        return f'{{"id":{asset.id},"video":{{"vasttag":"{vast}"}}}}'
    return _json({"id": asset.id, **_answer(asset.need, native)})


def _answer(need: Any, native: NativeAd) -> dict[str, Any]:
    if isinstance(need, ImageNeed):
        image = image_for(need, native)
        return {"img": {"url": image.url, "w": image.w, "h": image.h}} if image else {}
    text = text_for(need, native)
    return {"title": {"text": text}} if isinstance(need, TitleNeed) else {"data": {"value": text}}


def _inside(text: str) -> str:
    return _json(text)[1:-1]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
