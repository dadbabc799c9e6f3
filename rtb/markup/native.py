"""Native markup: the requested assets by id, in JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import Creative, NativeAd
from rtb.inventory.slots import ImageNeed, NativeAsset, NativeSlot, TitleNeed, VideoSlot, answers, image_for, text_for
from rtb.markup.vast import document


def native_markup(slot: NativeSlot, campaign: Campaign, creative: Creative) -> list[str]:
    """Return the answer to a native request that the creative fits, split wherever the click URL goes.

    Raises:
        ValueError: the creative does not fit.
    """
    native = creative.native
    if native is None:
        raise ValueError(f"the creative {creative.id!r} does not fit into the slot")
    pieces = [f'{{"ver":"{slot.ver}","link":{{"url":"', '"},"assets":[']
    comma = ""
    for asset in slot.assets:
        if answers(asset, native):
            first, *more = _asset(slot, asset, campaign, creative, native)
            pieces[-1] += comma + first
            pieces += more
            comma = ","
    pieces[-1] += "]}"
    if slot.wrapped:
        pieces[0] = '{"native":' + pieces[0]
        pieces[-1] += "}"
    return pieces


def _asset(slot: NativeSlot, asset: NativeAsset, campaign: Campaign, creative: Creative, native: NativeAd) -> list[str]:
    """Return the JSON of one asset, split wherever the click URL goes."""
    need = asset.need
    if isinstance(need, VideoSlot):
        parts = [_json(part)[1:-1] for part in document(need, campaign, creative, native.video)]
        parts[0] = f'{{"id":{asset.id},"video":{{"vasttag":"{parts[0]}'
        parts[-1] += '"}}'
        return parts
    return [_json({"id": asset.id, **_answer(need, native)})]


def _answer(need: Any, native: NativeAd) -> dict[str, Any]:
    if isinstance(need, ImageNeed):
        image = image_for(need, native)
        return {"img": {"url": image.url, "w": image.w, "h": image.h}} if image else {}
    text = text_for(need, native)
    return {"title": {"text": text}} if isinstance(need, TitleNeed) else {"data": {"value": text}}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
