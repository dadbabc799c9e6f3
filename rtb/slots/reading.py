"""From an imp to its slots."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypedDict

from rtb.creative import Kind
from rtb.openrtb.native import Asset, Img, NativeRequest, read_asset, read_native
from rtb.openrtb.types import Audio, Banner, Imp, Video
from rtb.slots.types import (
    NO_LIMIT,
    AudioSlot,
    BannerSlot,
    DataNeed,
    ImageNeed,
    NativeAsset,
    NativeSlot,
    Ratio,
    Slot,
    TitleNeed,
    VideoSlot,
)

KINDS: frozenset[Kind] = frozenset({"banner", "video", "native", "audio"})

_LINEAR = 1
_VERSIONS = ("1.0", "1.1", "1.2")
_DELIVERY = {1: "streaming", 2: "progressive", 3: "progressive"}
"""List "Delivery Methods": a download is of one file too."""

_MIMES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "text/javascript": "application/javascript",
    "application/x-javascript": "application/javascript",
    "application/xhtml+xml": "text/html",
}
"""Other names of a type."""

_NONE: frozenset[Any] = frozenset()


def slots_of(imp: Imp, kinds: Collection[Kind] = KINDS) -> tuple[Slot, ...]:
    """A slot for each format of an imp that can be sold, in the order banner, video, native, audio.

    Args:
        imp: of a validated request.
        kinds: formats looked at. To read a native request costs most, so leave out what no creative is for.
    """
    found: list[Slot | None] = []
    if imp.banner is not None and "banner" in kinds:
        found.append(_banner(imp, imp.banner))
    if imp.video is not None and "video" in kinds:
        found.append(_video(imp, imp.video))
    if imp.native is not None and "native" in kinds:
        found.append(_native(imp))
    if imp.audio is not None and "audio" in kinds:
        found.append(_audio(imp, imp.audio))
    return tuple(slot for slot in found if slot is not None)


def plain_mime(mime: str) -> str:
    """A media type in lower case, without parameters, under its usual name."""
    name = mime.partition(";")[0].strip().lower()
    return _MIMES.get(name, name)


def _set(values: Iterable[int] | None) -> frozenset[int]:
    return frozenset(values) if values else _NONE


def _mimes(values: Iterable[str] | None) -> frozenset[str]:
    return frozenset(map(plain_mime, values)) if values else _NONE


def _longest(item: Video | Audio) -> int:
    """The longest advertisement in seconds: `maxextended` is what may be played beyond `maxduration`, -1 all of it."""
    extended = item.maxextended or 0
    return NO_LIMIT if extended < 0 else _limit(item.maxduration) + extended


def _limit(value: int | None) -> int:
    """A greatest length; absent or 0 is none."""
    return value if value else NO_LIMIT


def _banner(imp: Imp, banner: Banner) -> BannerSlot:
    formats = banner.format or ()
    sizes = {(item.w, item.h): None for item in formats if item.w and item.h}  # a dict keeps the order
    widths = heights = None
    if banner.wmin or banner.wmax or banner.hmin or banner.hmax:
        widths = _range(banner.wmin, banner.wmax, banner.w)
        heights = _range(banner.hmin, banner.hmax, banner.h)
    if banner.w and banner.h:
        sizes[banner.w, banner.h] = None
    return BannerSlot(
        battr=_set(banner.battr),
        api=_set(banner.api),
        secure=imp.secure == 1,
        instl=imp.instl == 1,
        rwdd=imp.rwdd == 1,
        pos=banner.pos or 0,
        sizes=tuple((w, h) for w, h in sizes if w and h),
        ratios=tuple(Ratio(f.wratio, f.hratio, f.wmin or 0) for f in formats if f.wratio and f.hratio),
        widths=widths,
        heights=heights,
        mimes=_mimes(banner.mimes),
        btype=_set(banner.btype),
    )


def _range(least: int | None, most: int | None, preferred: int | None) -> tuple[int, int]:
    """Allowed pixels of 2.3: a bound left out is the preferred length, and without one there is no bound."""
    return (least or (0 if most else preferred or 0), most or (NO_LIMIT if least else preferred or NO_LIMIT))


class _Played(TypedDict):
    """What video and audio say alike."""

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
    slotinpod: int


def _played(imp: Imp, item: Video | Audio) -> _Played:
    protocols = _set(item.protocols)
    if isinstance(item, Video) and item.protocol:  # of 2.2, before it became a list
        protocols |= {item.protocol}
    return _Played(
        battr=_set(item.battr),
        api=_set(item.api),
        secure=imp.secure == 1,
        instl=imp.instl == 1,
        rwdd=imp.rwdd == 1,
        mimes=_mimes(item.mimes),
        protocols=protocols,
        min_seconds=item.minduration or 0,
        max_seconds=min(_longest(item), _limit(item.poddur)),
        durations=_set(item.rqddurs),
        min_bitrate=item.minbitrate or 0,
        max_bitrate=_limit(item.maxbitrate),
        delivery=frozenset(_DELIVERY.get(method, "") for method in item.delivery or ()),
        places=item.maxseq if item.poddur and item.maxseq else 1,
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


def _native(imp: Imp) -> NativeSlot | None:
    """None where nobody can know what to answer."""
    native = imp.native
    read = read_native(native) if native is not None else None
    if native is None or read is None or not read.request.assets:
        return None
    secure = imp.secure == 1
    assets = _assets(read.request, secure)
    if not assets:
        return None
    ver = next((ver for ver in (read.request.ver, native.ver) if ver in _VERSIONS), "1.2")
    return NativeSlot(
        battr=_set(native.battr),
        api=_set(native.api),
        secure=secure,
        instl=imp.instl == 1,
        rwdd=imp.rwdd == 1,
        assets=assets,
        ver=ver or "1.2",
        wrapped=read.wrapped or ver == "1.0",
    )


def _assets(request: NativeRequest, secure: bool) -> tuple[NativeAsset, ...]:
    """The assets of a request, or none when one that is required cannot be answered by its id."""
    read = [read_asset(value) for value in request.assets or ()]
    if all(asset is not None and asset.id is None for asset in read):
        # Callers that number nothing, Prebid Server among them, mean the places.
        return tuple(_asset(place, asset, secure) for place, asset in enumerate(read) if asset is not None)
    found = {}
    for sent, asset in zip(request.assets or (), read, strict=True):
        if asset is not None and asset.id is not None and asset.id not in found:
            found[asset.id] = _asset(asset.id, asset, secure)
        elif not isinstance(sent, dict) or sent.get("required", 0) in (1, "1", True):
            return ()
    return tuple(found.values())


def _asset(number: int, asset: Asset, secure: bool) -> NativeAsset:
    return NativeAsset(number, asset.required == 1, _need(asset, secure))


def _need(asset: Asset, secure: bool) -> TitleNeed | DataNeed | ImageNeed | VideoSlot | None:
    if asset.title is not None:
        return TitleNeed(_limit(asset.title.len))
    if asset.img is not None:
        return _image(asset.img)
    if asset.data is not None:
        return DataNeed(asset.data.type, _limit(asset.data.len)) if asset.data.type else None
    video = asset.video
    if video is None:
        return None
    return VideoSlot(
        secure=secure,
        mimes=_mimes(video.mimes),
        protocols=_set(video.protocols),
        min_seconds=video.minduration or 0,
        max_seconds=_limit(video.maxduration),
    )


def _image(img: Img) -> ImageNeed:
    return ImageNeed(img.type or 0, img.w or 0, img.h or 0, img.wmin, img.hmin, _mimes(img.mimes))
