"""Which creatives and assets fit a slot. Frequent callers cache the results by slot."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rtb.campaigns.creative import AudioAd, Creative, Image, MediaFile, NativeAd, VideoAd
from rtb.inventory.slots.types import (
    AudioSlot,
    BannerSlot,
    DataNeed,
    ImageNeed,
    NativeAsset,
    NativeSlot,
    PlayedSlot,
    Slot,
    TitleNeed,
    VideoSlot,
)
from rtb.inventory.slots.values import plain_mime, spelled

VAST = {2: "2.0", 3: "3.0", 7: "4.0", 11: "4.1", 13: "4.2", 15: "4.3"}
"""Protocol numbers of inline VAST documents, and their versions. The others are wrappers, or 1.0."""

DAAST = 9

_PREFERRED_VIDEO = (15, 13, 11, 7, 3, 2)
_PREFERRED_AUDIO = (15, 13, 11, 7, 3, 2, DAAST)
_UNSAID = 3
"""Protocol for slots that name none: every current player reads VAST 3.0, older ones refuse 4."""

_RATIO_TOLERANCE = 0.02
_ICON, _LOGO, _MAIN = 1, 2, 3
_TEXTS = {
    1: "sponsored",
    2: "body",
    3: "rating",
    4: "likes",
    5: "downloads",
    6: "price",
    7: "sale_price",
    8: "phone",
    9: "address",
    10: "body2",
    11: "display_url",
    12: "cta",
}
"""Fields of a native ad by the data asset type that they answer."""


def fits(slot: Slot, creative: Creative) -> bool:
    """Return whether a creative may be shown in a slot: whether it meets all of the slot's constraints."""
    if creative.kind != slot.kind or (slot.secure and not creative.is_secure):
        return False
    if not slot.api.issuperset(creative.api) or not slot.battr.isdisjoint(creative.attributes):
        return False
    if isinstance(slot, BannerSlot):
        return _banner_fits(slot, creative)
    if isinstance(slot, VideoSlot):
        return creative.video is not None and _video_fits(slot, creative.video)
    if isinstance(slot, AudioSlot):
        return creative.audio is not None and _plays(slot, creative.audio)
    return creative.native is not None and _native_fits(slot, creative.native)


def rank(slot: Slot, creative: Creative) -> int:
    """Return the rank of a fitting creative, 0 best: the index of its size among the slot's."""
    if not isinstance(slot, BannerSlot):
        return 0
    size = (creative.w, creative.h)
    return slot.sizes.index(size) if size in slot.sizes else len(slot.sizes)


def size_of(slot: Slot, creative: Creative) -> tuple[int, int] | None:
    """Return width and height for the bid; `None` where size has no meaning."""
    if isinstance(slot, BannerSlot):
        return creative.w, creative.h
    if isinstance(slot, VideoSlot):
        return (slot.w, slot.h) if slot.w and slot.h else creative.size
    return None


def protocol_of(slot: PlayedSlot) -> int | None:
    """Return the newest protocol that both the slot and this bidder support; `None` where there is none."""
    known = _PREFERRED_VIDEO if isinstance(slot, VideoSlot) else _PREFERRED_AUDIO
    if not slot.protocols:
        return _UNSAID
    return next((protocol for protocol in known if protocol in slot.protocols), None)


def media_for(slot: PlayedSlot, files: Iterable[MediaFile]) -> list[MediaFile]:
    """Return the encodings that a slot takes, with media types spelled as in the slot."""
    fitting = [file for file in files if _file_fits(slot, file)]
    return [msgspec.structs.replace(file, mime=spelled(file.mime, slot.mimes)) for file in fitting]


def image_for(need: ImageNeed, native: NativeAd) -> Image | None:
    """Return the image that fits best; `None` where none fits."""
    by_type = {_ICON: native.icons, _LOGO: native.icons, _MAIN: native.images, 0: native.images + native.icons}
    fitting = [image for image in by_type.get(need.type, ()) if _image_fits(need, image)]
    w, h = need.w or need.wmin or 0, need.h or need.hmin or 0
    return min(fitting, key=lambda image: abs(image.w - w) + abs(image.h - h), default=None)


def text_for(need: TitleNeed | DataNeed, native: NativeAd) -> str:
    """Return the text that fits; empty where none fits."""
    text = native.title if isinstance(need, TitleNeed) else getattr(native, _TEXTS.get(need.type, ""), "")
    return text if len(text) <= need.len else ""


def answers(asset: NativeAsset, native: NativeAd) -> bool:
    """Return whether a native ad has a fitting asset."""
    need = asset.need
    if isinstance(need, ImageNeed):
        return image_for(need, native) is not None
    if isinstance(need, VideoSlot):
        return native.video is not None and _video_fits(need, native.video)
    return need is not None and text_for(need, native) != ""


def _banner_fits(slot: BannerSlot, creative: Creative) -> bool:
    mime = plain_mime(creative.mime)
    if slot.mimes and slot.mimes.isdisjoint((mime, "text/html")):  # an image is sent inside HTML
        return False
    return slot.btype.isdisjoint(creative.banner_types) and _size_fits(slot, creative.w, creative.h)


def _size_fits(slot: BannerSlot, w: int, h: int) -> bool:
    if (w, h) in slot.sizes:
        return True
    if slot.widths and slot.heights and slot.widths[0] <= w <= slot.widths[1]:
        return slot.heights[0] <= h <= slot.heights[1]
    return any(w * ratio.h == h * ratio.w and w >= ratio.wmin for ratio in slot.ratios)


def _plays(slot: PlayedSlot, ad: VideoAd | AudioAd) -> bool:
    if not slot.min_seconds <= ad.duration_seconds <= slot.max_seconds:
        return False
    if slot.durations and ad.duration_seconds not in slot.durations:
        return False
    return protocol_of(slot) is not None and bool(media_for(slot, ad.media))


def _video_fits(slot: VideoSlot, ad: VideoAd) -> bool:
    if ad.skip_after_seconds is not None and not _may_skip(slot, ad):
        return False
    return slot.linear and _plays(slot, ad)


def _may_skip(slot: VideoSlot, ad: VideoAd) -> bool:
    """Return whether a skippable video is taken; a rewarded slot takes none, as the reward is for watching."""
    return not slot.rwdd and ad.duration_seconds > slot.skippable_over


def _file_fits(slot: PlayedSlot, file: MediaFile) -> bool:
    if not spelled(file.mime, slot.mimes):
        return False
    if slot.delivery and file.delivery not in slot.delivery:
        return False
    if isinstance(slot, VideoSlot) and not slot.boxing and slot.w and slot.h:
        ratio = (file.w * slot.h) / (file.h * slot.w)
        if abs(ratio - 1) > _RATIO_TOLERANCE:
            return False
    return slot.min_bitrate <= file.bitrate <= slot.max_bitrate


def _native_fits(slot: NativeSlot, native: NativeAd) -> bool:
    answered = [answers(asset, native) for asset in slot.assets]
    return any(answered) and all(
        is_answered or not asset.required for is_answered, asset in zip(answered, slot.assets, strict=True)
    )


def _image_fits(need: ImageNeed, image: Image) -> bool:
    if need.mimes and plain_mime(image.type) not in need.mimes:
        return False
    return _long_enough(image.w, need.w, need.wmin) and _long_enough(image.h, need.h, need.hmin)


def _long_enough(length: int, exact: int, least: int | None) -> bool:
    """Return whether a length suffices: by Native 4.4 the exact one only counts where there is no least one."""
    return length >= least if least is not None else exact in (0, length)
