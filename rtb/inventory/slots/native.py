"""The slot of an imp's native object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rtb.inventory.slots.types import DataNeed, ImageNeed, NativeAsset, NativeSlot, TitleNeed, VideoSlot
from rtb.inventory.slots.values import codes, limit_of, mimes_of, names_of
from rtb.openrtb.native import Asset, Img, NativeVideo, read_asset, read_native
from rtb.openrtb.types import Imp, Native, is_rewarded
from rtb.runtime.caches import MemoizedFunction

_VERSIONS = ("1.0", "1.1", "1.2")
_YES = (1, "1", True)
_IMPRESSION, _IMAGE = (1, "1"), "1"
"""Event and method of a tracker: Native 1.2, lists 7.6 and 7.7."""


class _Asked(NamedTuple):
    """The assets that a native request asks for.

    Attributes:
        assets: requested assets, at least one.
        ver: version in the request.
        wrapped: whether it stood under a key `native`.
        other_trackers: whether it takes event trackers, and none of the impression that is an image.
    """

    assets: tuple[NativeAsset, ...]
    ver: str | None
    wrapped: bool
    other_trackers: bool


def native_slot(imp: Imp, native: Native) -> NativeSlot | None:
    """Return the slot; `None` where it is unclear what to answer, or by which ids."""
    sent = native.request
    if sent is None and native.assets is not None:  # callers from before `request` existed
        sent = {"assets": native.assets}
    asked = asked_for(sent) if isinstance(sent, str) else _asked(sent)
    if asked is None:
        return None
    ver = next((ver for ver in (asked.ver, native.ver) if ver in _VERSIONS), None)
    return NativeSlot(
        battr=codes(native.battr),
        api=codes(native.api),
        secure=imp.secure == 1,
        instl=imp.instl == 1,
        rwdd=is_rewarded(imp),
        assets=asked.assets,
        ver=ver or _VERSIONS[-1],
        wrapped=asked.wrapped or ver == "1.0",
        other_trackers=asked.other_trackers,
    )


def _asked(sent: Any) -> _Asked | None:
    read = read_native(sent)
    if read is None or not read.request.assets:
        return None
    assets = _assets(read.request.assets)
    others = _takes_others(read.request.eventtrackers)
    return _Asked(assets, read.request.ver, read.wrapped, others) if assets else None


asked_for = MemoizedFunction(_asked, "native requests", 1 << 20)
"""Cache of native requests: a placement asks for the same assets each time."""


def _takes_others(sent: Any) -> bool:
    """Return whether a request takes event trackers, but no image for the impression."""
    if not isinstance(sent, list) or not sent:
        return False
    trackers = [one for one in sent if isinstance(one, dict) and one.get("event") in _IMPRESSION]
    return not any(_IMAGE in _numbers(one.get("methods")) for one in trackers)


def _numbers(values: Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []


def _assets(sent: Sequence[Any]) -> tuple[NativeAsset, ...]:
    """Return the readable assets; none where an unreadable one is required."""
    read = [read_asset(value) for value in sent]
    if all(asset is not None and asset.id is None for asset in read):
        # Callers that number nothing, which Prebid Server allows, mean positions.
        return tuple(_asset(place, asset) for place, asset in enumerate(read) if asset is not None)
    found: dict[int, NativeAsset] = {}
    for value, asset in zip(sent, read, strict=True):
        if asset is not None and asset.id is not None and asset.id not in found:
            found[asset.id] = _asset(asset.id, asset)
        elif isinstance(value, dict) and value.get("required") in _YES:
            return ()
    return tuple(found.values())


def _asset(number: int, asset: Asset) -> NativeAsset:
    return NativeAsset(number, asset.required == 1, _need(asset))


def _need(asset: Asset) -> TitleNeed | DataNeed | ImageNeed | VideoSlot | None:
    if asset.title is not None:
        return TitleNeed(limit_of(asset.title.len))
    if asset.img is not None:
        return _image(asset.img)
    if asset.data is not None:
        return DataNeed(asset.data.type, limit_of(asset.data.len)) if asset.data.type else None
    return _video(asset.video) if asset.video is not None else None


def _image(img: Img) -> ImageNeed:
    return ImageNeed(img.type or 0, img.w or 0, img.h or 0, img.wmin, img.hmin, mimes_of(img.mimes))


def _video(video: NativeVideo) -> VideoSlot:
    return VideoSlot(
        mimes=names_of(video.mimes),
        protocols=codes(video.protocols),
        min_seconds=video.minduration or 0,
        max_seconds=limit_of(video.maxduration),
    )
