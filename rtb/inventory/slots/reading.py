"""The slots of an imp."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypedDict

from rtb.campaigns.creative import Kind
from rtb.inventory.slots.native import native_slot
from rtb.inventory.slots.types import NO_LIMIT, AudioSlot, BannerSlot, Ratio, Slot, VideoSlot
from rtb.inventory.slots.values import codes, limit_of, mimes_of, names_of
from rtb.openrtb.types import Audio, Banner, Imp, Video, is_rewarded

KINDS: frozenset[Kind] = frozenset({"banner", "video", "native", "audio"})

_LINEAR = 1
_DELIVERY = {1: "streaming", 2: "progressive", 3: "progressive"}
"""Delivery by the list "Delivery Methods": a download is one file too."""

_ALL: frozenset[str] = frozenset()


def slots_of(imp: Imp, kinds: Collection[Kind] = KINDS) -> tuple[Slot, ...]:
    """Return a slot for each format of an imp, in the order banner, video, native, audio.

    Video and audio whose list of media types is empty are no offer (`rtb.openrtb.validity`).

    Args:
        imp: imp of a validated request.
        kinds: formats to read. Native is the most expensive, so leave out formats without creatives.
    """
    found: list[Slot] = []
    if imp.banner is not None and "banner" in kinds:
        found.append(_banner(imp, imp.banner))
    if imp.video is not None and "video" in kinds and imp.video.mimes != []:
        found.append(_video(imp, imp.video))
    if imp.native is not None and "native" in kinds and (slot := native_slot(imp, imp.native)) is not None:
        found.append(slot)
    if imp.audio is not None and "audio" in kinds and imp.audio.mimes != []:
        found.append(_audio(imp, imp.audio))
    return tuple(found)


def _longest(item: Video | Audio) -> int:
    """Return the longest ad in seconds: `maxextended` may be played beyond `maxduration`, -1 means without limit."""
    extended = item.maxextended or 0
    return NO_LIMIT if extended < 0 else limit_of(item.maxduration) + extended


def _banner(imp: Imp, banner: Banner) -> BannerSlot:
    widths = heights = None
    if banner.wmin or banner.wmax or banner.hmin or banner.hmax:
        widths = _range(banner.wmin, banner.wmax, banner.w)
        heights = _range(banner.hmin, banner.hmax, banner.h)
    sizes, ratios = _sizes(banner)
    return BannerSlot(
        battr=codes(banner.battr),
        api=codes(banner.api),
        secure=imp.secure == 1,
        instl=imp.instl == 1,
        rwdd=is_rewarded(imp),
        pos=banner.pos or 0,
        sizes=sizes,
        ratios=ratios,
        widths=widths,
        heights=heights,
        mimes=mimes_of(banner.mimes),
        btype=codes(banner.btype),
    )


def _sizes(banner: Banner) -> tuple[tuple[tuple[int, int], ...], tuple[Ratio, ...]]:
    """Return the distinct sizes, and the ratios; those in `format` come first."""
    sizes: dict[tuple[int, int], None] = {}  # an ordered set
    ratios: list[Ratio] = []
    for item in banner.format or ():
        if item.w and item.h:
            sizes[item.w, item.h] = None
        if item.wratio and item.hratio and item.wratio > 0 and item.hratio > 0:
            ratios.append(Ratio(item.wratio, item.hratio, item.wmin or 0))
    if banner.w and banner.h:
        sizes[banner.w, banner.h] = None
    return tuple(sizes), tuple(ratios)


def _range(least: int | None, most: int | None, preferred: int | None) -> tuple[int, int]:
    """Return the pixel range of OpenRTB 2.3: a missing bound is the preferred length, or no bound without one."""
    return (least or (0 if most else preferred or 0), most or (NO_LIMIT if least else preferred or NO_LIMIT))


class _Played(TypedDict):
    """The fields that video and audio slots share."""

    battr: frozenset[int]
    api: frozenset[int]
    secure: bool
    instl: bool
    rwdd: bool
    mimes: frozenset[str]
    protocols: frozenset[int]
    min_seconds: int
    max_seconds: int
    durations: frozenset[int]
    min_bitrate: int
    max_bitrate: int
    delivery: frozenset[str]
    places: int
    pod_seconds: int
    slotinpod: int


def _played(imp: Imp, item: Video | Audio) -> _Played:
    protocols = codes(item.protocols)
    if isinstance(item, Video) and item.protocol:  # of 2.2, before it became a list
        protocols |= {item.protocol}
    return _Played(
        battr=codes(item.battr),
        api=codes(item.api),
        secure=imp.secure == 1,
        instl=imp.instl == 1,
        rwdd=is_rewarded(imp),
        mimes=names_of(item.mimes),
        protocols=protocols,
        min_seconds=item.minduration or 0,
        max_seconds=min(_longest(item), limit_of(item.poddur)),
        durations=codes(item.rqddurs),
        min_bitrate=item.minbitrate or 0,
        max_bitrate=limit_of(item.maxbitrate),
        delivery=frozenset([_DELIVERY.get(method, "") for method in item.delivery]) if item.delivery else _ALL,
        places=item.maxseq if item.poddur and item.maxseq else 1,
        pod_seconds=limit_of(item.poddur),
        slotinpod=item.slotinpod or 0,
    )


def _video(imp: Imp, video: Video) -> VideoSlot:
    return VideoSlot(
        **_played(imp, video),
        pos=video.pos or 0,
        w=video.w or 0,
        h=video.h or 0,
        linear=video.linearity in (None, 0, _LINEAR),
        skippable_over=NO_LIMIT if video.skip == 0 else video.skipmin or 0,
        skip_after=video.skipafter or 0,
        boxing=video.boxingallowed != 0,
    )


def _audio(imp: Imp, audio: Audio) -> AudioSlot:
    return AudioSlot(**_played(imp, audio))
