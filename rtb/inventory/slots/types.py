"""Slots: the constraints of one format of an imp, immutable and hashable, so that results per slot can be cached.

They hold only what decides which creative fits and how its markup looks: no ids, no prices. An empty set constrains
nothing, except where its attribute says otherwise.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from msgspec import Struct

from rtb.campaigns.creative import Kind

NO_LIMIT = 2**31
"""Value of an absent upper limit."""


class Ratio(NamedTuple):
    """An aspect ratio, at least `wmin` pixels wide."""

    w: int
    h: int
    wmin: int


class _Slot(Struct, frozen=True, kw_only=True, cache_hash=True):
    """The base of slots of all formats.

    Attributes:
        kind: kind of the creatives it takes.
        mtype: markup type of its bids, OpenRTB list "Creative Markup Types".
        battr: blocked creative attributes.
        api: supported frameworks; those not named are not supported.
        secure: whether everything must be loaded with TLS.
        instl: whether it fills the screen.
        rwdd: whether the user is rewarded for seeing it.
        pos: position on the screen, OpenRTB list "Placement Position".
    """

    kind: ClassVar[Kind]
    mtype: ClassVar[int]

    battr: frozenset[int] = frozenset()
    api: frozenset[int] = frozenset()
    secure: bool = False
    instl: bool = False
    rwdd: bool = False
    pos: int = 0


class BannerSlot(_Slot, frozen=True, kw_only=True, cache_hash=True):
    """A banner slot. Without a size, a ratio or a range, no creative fits.

    Attributes:
        sizes: allowed (width, height), in the exchange's order.
        ratios: allowed ratios, in the exchange's order.
        widths: least and most width of an allowed range, or none.
        heights: least and most height of that range, or none.
        mimes: allowed media types.
        btype: blocked banner ad types.
    """

    kind: ClassVar[Kind] = "banner"
    mtype: ClassVar[int] = 1

    sizes: tuple[tuple[int, int], ...] = ()
    ratios: tuple[Ratio, ...] = ()
    widths: tuple[int, int] | None = None
    heights: tuple[int, int] | None = None
    mimes: frozenset[str] = frozenset()
    btype: frozenset[int] = frozenset()


class PlayedSlot(_Slot, frozen=True, kw_only=True, cache_hash=True):
    """The base of video and audio slots. Lengths are in seconds, bitrates in kbit/s.

    Attributes:
        mimes: allowed media types.
        protocols: allowed protocols of the markup, OpenRTB list "Creative Subtypes - Audio/Video".
        min_seconds: least length.
        max_seconds: greatest length, of the ad and of the pod it is in.
        durations: exact lengths allowed.
        min_bitrate: least bitrate.
        max_bitrate: greatest bitrate.
        delivery: allowed deliveries: `progressive`, `streaming`, as in `MediaFile.delivery`.
        places: number of ads that may be sold in it: more than one in a dynamic pod.
        pod_seconds: greatest length of all of them together.
        slotinpod: guaranteed position, OpenRTB list "Slot Position in Pod".
    """

    mimes: frozenset[str] = frozenset()
    protocols: frozenset[int] = frozenset()
    min_seconds: int = 0
    max_seconds: int = NO_LIMIT
    durations: frozenset[int] = frozenset()
    min_bitrate: int = 0
    max_bitrate: int = NO_LIMIT
    delivery: frozenset[str] = frozenset()
    places: int = 1
    pod_seconds: int = NO_LIMIT
    slotinpod: int = 0


class VideoSlot(PlayedSlot, frozen=True, kw_only=True, cache_hash=True):
    """A video slot.

    Attributes:
        w: width of the player in pixels, 0 when unknown.
        h: height of the player in pixels, 0 when unknown.
        linear: whether it takes linear ads.
        skippable_over: ads longer than this, in seconds, may be skippable; `NO_LIMIT`: none.
        skip_after: seconds before it lets a user skip.
        boxing: whether letterboxing is allowed.
    """

    kind: ClassVar[Kind] = "video"
    mtype: ClassVar[int] = 2

    w: int = 0
    h: int = 0
    linear: bool = True
    skippable_over: int = 0
    skip_after: int = 0
    boxing: bool = True


class AudioSlot(PlayedSlot, frozen=True, kw_only=True, cache_hash=True):
    """An audio slot."""

    kind: ClassVar[Kind] = "audio"
    mtype: ClassVar[int] = 3


class TitleNeed(Struct, frozen=True, cache_hash=True):
    """A requested headline of at most `len` characters."""

    len: int = NO_LIMIT


class DataNeed(Struct, frozen=True, cache_hash=True):
    """A requested text of at most `len` characters; `type` is of the list "Data Asset Types"."""

    type: int
    len: int = NO_LIMIT


class ImageNeed(Struct, frozen=True, cache_hash=True):
    """A requested image.

    Attributes:
        type: 1 icon, 2 logo, 3 main; 0 any.
        w: exact width where there is no `wmin`, else the preferred one; 0: any.
        h: the same for the height.
        wmin: least width; none: not given.
        hmin: least height; none: not given.
        mimes: allowed media types.
    """

    type: int = 0
    w: int = 0
    h: int = 0
    wmin: int | None = None
    hmin: int | None = None
    mimes: frozenset[str] = frozenset()


class NativeAsset(Struct, frozen=True, cache_hash=True):
    """A requested part of a native ad.

    Attributes:
        id: id of the asset, repeated in the answer.
        required: whether an ad without it is refused.
        need: what is requested; none: something this bidder does not support.
    """

    id: int
    required: bool
    need: TitleNeed | DataNeed | ImageNeed | VideoSlot | None


class NativeSlot(_Slot, frozen=True, kw_only=True, cache_hash=True):
    """A native slot.

    Attributes:
        assets: requested assets, in order.
        ver: version of the Native specification for the answer.
        wrapped: whether the answer goes under a key `native`.
        other_trackers: whether the request takes event trackers, and none of the impression that is an image.
    """

    kind: ClassVar[Kind] = "native"
    mtype: ClassVar[int] = 4

    assets: tuple[NativeAsset, ...] = ()
    ver: str = "1.2"
    wrapped: bool = False
    other_trackers: bool = False


Slot = BannerSlot | VideoSlot | AudioSlot | NativeSlot
