"""What fits into a slot: each constraint on its own, and that relaxing one never takes a creative away."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from rtb.campaigns.creative import NativeAd
from rtb.inventory.slots import (
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
    fits,
    image_for,
    media_for,
    protocol_of,
    rank,
    size_of,
)
from tests.rtb.builders import (
    make_audio,
    make_creative,
    make_file,
    make_image,
    make_native,
    make_video,
    make_video_ad,
)
from tests.rtb.inventory.slots.strategies import creatives, pairs, slots
from tests.support import examples

_BANNER = BannerSlot(sizes=((300, 250),))
_SCRIPT = '<script src="https://a.example/a.js"></script>'


def _set(*values: Any) -> frozenset[Any]:
    return frozenset(values)


@pytest.mark.parametrize(
    ("constraint", "creative", "does"),
    [
        ({}, make_creative(), True),
        ({}, make_creative(size=(250, 300)), False),
        ({"sizes": ()}, make_creative(), False),
        ({"sizes": ((728, 90), (300, 250))}, make_creative(), True),
        ({"sizes": (), "ratios": (Ratio(6, 5, 0),)}, make_creative(), True),
        ({"sizes": (), "ratios": (Ratio(6, 5, 300),)}, make_creative(), True),
        ({"sizes": (), "ratios": (Ratio(6, 5, 301),)}, make_creative(), False),
        ({"sizes": (), "ratios": (Ratio(5, 6, 0),)}, make_creative(), False),
        ({"sizes": (), "widths": (200, 300), "heights": (250, 300)}, make_creative(), True),
        ({"sizes": (), "widths": (301, 400), "heights": (0, NO_LIMIT)}, make_creative(), False),
        ({"sizes": (), "widths": (0, NO_LIMIT), "heights": (0, 249)}, make_creative(), False),
        ({"secure": True}, make_creative(), True),
        ({"secure": True}, make_creative(image_url="http://cdn.example/a.png"), False),
        ({"battr": _set(3)}, make_creative(attr=(1,)), True),
        ({"battr": _set(3)}, make_creative(attr=(1, 3)), False),
        ({"api": _set(5, 7)}, make_creative(api=(5,)), True),
        ({"api": _set(7)}, make_creative(api=(5,)), False),
        ({}, make_creative(api=(5,)), False),
        ({"btype": _set(1, 3, 4)}, make_creative(), True),
        ({"btype": _set(2)}, make_creative(), False),
        ({"btype": _set(3)}, make_creative(adm=_SCRIPT), False),
        ({"btype": _set(1)}, make_creative(adm="<b>x</b>"), False),
        ({"mimes": _set("image/png")}, make_creative(), True),
        ({"mimes": _set("text/html")}, make_creative(), True),
        ({"mimes": _set("image/jpeg")}, make_creative(), False),
        ({"mimes": _set("image/png")}, make_creative(adm="<b>x</b>"), False),
        ({"mimes": _set("image/png", "text/html")}, make_creative(adm="<b>x</b>"), True),
    ],
)
def test_banner_fits(constraint: dict[str, Any], creative: Any, does: bool) -> None:
    assert fits(replace(_BANNER, **constraint), creative) is does


@pytest.mark.parametrize(
    ("constraint", "creative", "does"),
    [
        ({}, make_video(), True),
        ({"mimes": _set("video/mp4")}, make_video(), True),
        ({"mimes": _set("video/webm")}, make_video(), False),
        ({"mimes": _set("video/webm")}, make_video(make_file(), make_file("video/webm")), True),
        ({"min_seconds": 15, "max_seconds": 15}, make_video(), True),
        ({"min_seconds": 16}, make_video(), False),
        ({"max_seconds": 14}, make_video(), False),
        ({"max_seconds": 15}, make_video(seconds=15.04), False),
        ({"durations": _set(15, 30)}, make_video(), True),
        ({"durations": _set(10, 30)}, make_video(), False),
        ({"durations": _set(15), "max_seconds": 10}, make_video(), False),
        ({"protocols": _set(2)}, make_video(), True),
        ({"protocols": _set(1, 4, 5, 6, 8, 9, 10, 12, 14, 16)}, make_video(), False),
        ({"protocols": _set(99, 7)}, make_video(), True),
        ({"linear": False}, make_video(), False),
        ({"skippable_over": NO_LIMIT}, make_video(), True),
        ({"skippable_over": NO_LIMIT}, make_video(skip_after=5.0), False),
        ({"skippable_over": 14}, make_video(skip_after=5.0), True),
        ({"skippable_over": 15}, make_video(skip_after=5.0), False),
        ({"battr": _set(16)}, make_video(skip_after=5.0), False),
        ({"battr": _set(16)}, make_video(), True),
        ({"rwdd": True}, make_video(), True),
        ({"rwdd": True}, make_video(skip_after=5.0), False),
        ({"min_bitrate": 1_000, "max_bitrate": 1_000}, make_video(), True),
        ({"min_bitrate": 1_001}, make_video(), False),
        ({"max_bitrate": 999}, make_video(), False),
        ({"max_bitrate": 999}, make_video(make_file(), make_file(bitrate=500)), True),
        ({"delivery": _set("streaming")}, make_video(), False),
        ({"delivery": _set("streaming", "progressive")}, make_video(), True),
        ({"delivery": _set("")}, make_video(), False),
        ({"boxing": False, "w": 640, "h": 360}, make_video(), True),
        ({"boxing": False, "w": 640, "h": 480}, make_video(), False),
        ({"boxing": True, "w": 640, "h": 480}, make_video(), True),
        ({"boxing": False, "w": 640}, make_video(), True),
        ({"secure": True}, make_video(make_file(url="http://cdn.example/a.mp4")), False),
        ({"api": _set(7)}, make_video(api=(7,)), True),
        ({}, make_video(api=(7,)), False),
    ],
)
def test_video_fits(constraint: dict[str, Any], creative: Any, does: bool) -> None:
    assert fits(VideoSlot(**constraint), creative) is does


@pytest.mark.parametrize(
    ("constraint", "does"),
    [
        ({}, True),
        ({"mimes": _set("audio/mpeg")}, True),
        ({"mimes": _set("audio/mp4")}, False),
        ({"protocols": _set(9)}, True),
        ({"protocols": _set(10)}, False),
        ({"max_seconds": 10}, False),
        ({"max_bitrate": 96}, False),
    ],
)
def test_audio_fits(constraint: dict[str, Any], does: bool) -> None:
    assert fits(AudioSlot(**constraint), make_audio(make_file("audio/MP3", bitrate=128))) is does


_NATIVE = make_native(
    NativeAd(
        title="Fine shoes",
        images=(make_image(1200, 627), make_image(300, 250, url="https://cdn.example/a.jpg")),
        icons=(make_image(80, 80), make_image(40, 40, url="https://cdn.example/icon", mime="image/webp")),
        video=make_video_ad(),
        sponsored="Shop",
        body="Walk on",
    )
)


@pytest.mark.parametrize(
    ("need", "does"),
    [
        (TitleNeed(), True),
        (TitleNeed(10), True),
        (TitleNeed(9), False),
        (DataNeed(1), True),
        (DataNeed(1, 4), True),
        (DataNeed(1, 3), False),
        (DataNeed(2), True),
        (DataNeed(3), False),
        (DataNeed(501), False),
        (ImageNeed(3), True),
        (ImageNeed(3, 1200, 627), True),
        (ImageNeed(3, 1200, 628), False),
        (ImageNeed(3, 1200, 628, 600, 300), True),
        (ImageNeed(3, 0, 0, 1201), False),
        (ImageNeed(3, 180, 120, 0, 0), True),
        (ImageNeed(3, 300, 0, mimes=_set("image/png")), False),
        (ImageNeed(3, 300, 0, mimes=_set("image/jpeg")), True),
        (ImageNeed(1, 40, 40, mimes=_set("image/webp")), True),
        (ImageNeed(1, 80, 80), True),
        (ImageNeed(2, 80, 80), True),
        (ImageNeed(1, 300, 250), False),
        (ImageNeed(3, 80, 80), False),
        (ImageNeed(0, 80, 80), True),
        (ImageNeed(501), False),
        (VideoSlot(), True),
        (VideoSlot(max_seconds=10), False),
        (None, False),
    ],
)
def test_native_part_is_answered(need: Any, does: bool) -> None:
    title = NativeAsset(1, False, TitleNeed())
    assert fits(NativeSlot(assets=(title, NativeAsset(2, True, need))), _NATIVE) is does
    assert fits(NativeSlot(assets=(title, NativeAsset(2, False, need))), _NATIVE)


def test_native_that_answers_nothing_does_not_fit() -> None:
    assert not fits(NativeSlot(assets=(NativeAsset(1, False, DataNeed(3)),)), _NATIVE)


def test_picture_nearest_to_the_size_wanted_answers() -> None:
    native = NativeAd(title="x", images=(make_image(1200, 627), make_image(320, 200), make_image(640, 400)))
    assert image_for(ImageNeed(3, 600, 400, 300, 200), native) == make_image(640, 400)
    assert image_for(ImageNeed(3, 0, 0, 300, 200), native) == make_image(320, 200)


@pytest.mark.parametrize(
    ("slot", "protocol"),
    [
        (VideoSlot(), 3),
        (VideoSlot(protocols=_set(1, 2, 3, 7, 8)), 7),
        (VideoSlot(protocols=_set(3, 11, 13)), 13),
        (VideoSlot(protocols=_set(2, 5, 15)), 15),
        (VideoSlot(protocols=_set(9)), None),
        (AudioSlot(protocols=_set(9, 10)), 9),
        (AudioSlot(protocols=_set(2, 9)), 2),
    ],
)
def test_newest_protocol_that_holds_the_ad_is_spoken(slot: Any, protocol: int | None) -> None:
    assert protocol_of(slot) == protocol


def test_rank_follows_the_exchanges_order() -> None:
    slot = BannerSlot(sizes=((728, 90), (300, 250)), ratios=(Ratio(1, 1, 0),))
    assert [rank(slot, make_creative(size=size)) for size in ((728, 90), (300, 250), (50, 50))] == [0, 1, 2]
    assert rank(VideoSlot(), make_video()) == 0


def test_size_said_of_a_bid() -> None:
    assert size_of(_BANNER, make_creative()) == (300, 250)
    assert size_of(VideoSlot(w=640, h=360), make_video()) == (640, 360)
    assert size_of(VideoSlot(w=640), make_video()) == (1280, 720)
    assert size_of(AudioSlot(), make_audio()) is size_of(NativeSlot(), make_native()) is None


@given(slots, creatives)
def test_only_creatives_of_its_kind_fit(slot: Slot, creative: Any) -> None:
    assert not fits(slot, creative) or slot.kind == creative.kind


_RELAXED: dict[str, Any] = {
    "battr": frozenset(),
    "secure": False,
    "rwdd": False,
    "mimes": frozenset(),
    "btype": frozenset(),
    "protocols": frozenset(),
    "min_seconds": 0,
    "max_seconds": NO_LIMIT,
    "durations": frozenset(),
    "min_bitrate": 0,
    "max_bitrate": NO_LIMIT,
    "delivery": frozenset(),
    "linear": True,
    "skippable_over": 0,
    "boxing": True,
    "len": NO_LIMIT,
    "w": 0,
    "h": 0,
    "wmin": 0,
    "hmin": 0,
}
"""By field: the value that constrains least."""


def _relaxed(struct: Any, names: set[str]) -> Any:
    """Draw the same slot with some of its constraints lifted."""
    changes = {name: _RELAXED[name] for name in names & set(asdict(struct)) & set(_RELAXED)}
    if "api" in names and hasattr(struct, "api"):
        changes["api"] = struct.api | {5, 6, 7}
    if isinstance(struct, BannerSlot):
        changes |= {"sizes": (*struct.sizes, (320, 50))} if "sizes" in names else {}
        changes |= {"ratios": (*struct.ratios, Ratio(16, 9, 0))} if "ratios" in names else {}
    if isinstance(struct, NativeSlot) and "assets" in names:
        assets = (
            replace(asset, required=asset.required and "required" not in names, need=_relaxed(asset.need, names))
            if asset.need is not None
            else replace(asset, required=asset.required and "required" not in names)
            for asset in struct.assets
        )
        changes["assets"] = (*assets, NativeAsset(99, False, None))
    return replace(struct, **changes)


@settings(max_examples=examples(150))
@given(pairs(), st.sets(st.sampled_from([*_RELAXED, "api", "sizes", "ratios", "assets", "required"])))
def test_relaxing_a_slot_never_takes_a_creative_away(pair: tuple[Slot, Any], names: set[str]) -> None:
    slot, creative = pair
    did = fits(slot, creative)
    event(f"{slot.kind} {'fits' if did else 'does not fit'}")
    assert not did or fits(_relaxed(slot, names), creative)


@given(pairs())
def test_files_of_a_fitting_video_are_what_the_slot_takes(pair: tuple[Slot, Any]) -> None:
    slot, creative = pair
    ad = creative.video or creative.audio
    if isinstance(slot, VideoSlot | AudioSlot) and fits(slot, creative):
        files = media_for(slot, ad.media)
        assert files
        assert all(slot.min_bitrate <= file.bitrate <= slot.max_bitrate for file in files)
        assert all(not slot.mimes or file.mime in slot.mimes for file in files)
