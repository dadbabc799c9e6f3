"""An imp's slots: every constraint is read, in the forms that callers use."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
    slots_of,
)
from rtb.openrtb import Imp, InvalidRequest, decode_request
from rtb.openrtb.codec import coerce
from tests.rtb.builders import to_json
from tests.support import SHARED_DATA, require

_TITLE = {"id": 1, "required": 1, "title": {"len": 90}}


def _imp(**fields: Any) -> Imp:
    """Read an imp, also one that its request would be refused for."""
    return coerce({"id": "1", **fields}, Imp)


def _slot(**fields: Any) -> Slot:
    (slot,) = slots_of(_imp(**fields))
    return slot


def _native(request: Any, **fields: Any) -> NativeSlot | None:
    found = slots_of(_imp(native={"request": request, **fields}))
    assert len(found) <= 1
    return found[0] if found and isinstance(found[0], NativeSlot) else None


def _assets(*assets: Any) -> tuple[NativeAsset, ...] | None:
    slot = _native(json.dumps({"assets": assets}))
    return slot.assets if slot else None


def test_banner_is_read() -> None:
    banner = {
        "format": [{"w": 728, "h": 90}, {"wratio": 6, "hratio": 5, "wmin": 300}, {"w": 1}],
        "w": 300,
        "h": 250,
        "mimes": ["image/jpg", "TEXT/HTML; charset=utf-8"],
        "btype": [1, 4],
        "battr": [3],
        "api": [5],
        "pos": 7,
    }
    assert _slot(banner=banner, secure=1, instl=1, rwdd=1) == BannerSlot(
        sizes=((728, 90), (300, 250)),
        ratios=(Ratio(6, 5, 300),),
        mimes=frozenset({"image/jpeg", "text/html"}),
        btype=frozenset({1, 4}),
        battr=frozenset({3}),
        api=frozenset({5}),
        pos=7,
        secure=True,
        instl=True,
        rwdd=True,
    )


@pytest.mark.parametrize(
    ("banner", "sizes"),
    [
        ({}, ()),
        ({"w": 300}, ()),
        ({"format": [], "w": 300, "h": 250}, ((300, 250),)),
        ({"format": [{"w": 300, "h": 250}, {"w": 300, "h": 250}], "w": 300, "h": 250}, ((300, 250),)),
        ({"format": [{"w": 0, "h": 250}], "w": 0, "h": 0}, ()),
    ],
)
def test_banner_sizes_are_each_once_in_the_exchanges_order(banner: dict[str, Any], sizes: Any) -> None:
    slot = _slot(banner=banner)
    assert isinstance(slot, BannerSlot)
    assert slot.sizes == sizes


@pytest.mark.parametrize(
    ("banner", "widths", "heights"),
    [
        ({"w": 300, "h": 250}, None, None),
        ({"w": 300, "h": 250, "wmin": 200, "wmax": 400, "hmin": 100, "hmax": 300}, (200, 400), (100, 300)),
        ({"w": 300, "h": 250, "wmax": 400}, (0, 400), (250, 250)),
        ({"wmin": 200, "h": 50}, (200, NO_LIMIT), (50, 50)),
        ({"hmin": 100}, (0, NO_LIMIT), (100, NO_LIMIT)),
        ({"w": 300, "h": 250, "wmin": "", "wmax": "", "hmin": "", "hmax": ""}, None, None),
    ],
)
def test_banner_ranges_of_older_callers_are_read(banner: dict[str, Any], widths: Any, heights: Any) -> None:
    slot = _slot(banner=banner)
    assert isinstance(slot, BannerSlot)
    assert (slot.widths, slot.heights) == (widths, heights)


def test_ratios_that_are_none_are_left_out() -> None:
    slot = _slot(banner={"format": [{"wratio": -6, "hratio": -5}, {"wratio": 6}, {"wratio": 16, "hratio": 9}]})
    assert isinstance(slot, BannerSlot)
    assert slot.ratios == (Ratio(16, 9, 0),)


def test_video_is_read() -> None:
    video = {
        "mimes": ["video/mp4"],
        "minduration": 5,
        "maxduration": 30,
        "protocols": [2, 3],
        "protocol": 7,
        "w": 640,
        "h": 360,
        "linearity": 1,
        "skip": 1,
        "skipmin": 10,
        "skipafter": 6,
        "battr": [16],
        "minbitrate": 300,
        "maxbitrate": 1500,
        "boxingallowed": 0,
        "delivery": [2, 1],
        "api": [7],
        "pos": 1,
        "slotinpod": -1,
    }
    assert _slot(video=video) == VideoSlot(
        mimes=frozenset({"video/mp4"}),
        min_seconds=5,
        max_seconds=30,
        protocols=frozenset({2, 3, 7}),
        w=640,
        h=360,
        skippable_over=10,
        skip_after=6,
        battr=frozenset({16}),
        min_bitrate=300,
        max_bitrate=1500,
        boxing=False,
        delivery=frozenset({"progressive", "streaming"}),
        api=frozenset({7}),
        pos=1,
        slotinpod=-1,
    )


def test_video_that_says_nothing_is_free() -> None:
    assert _slot(video={}) == VideoSlot()
    assert _slot(video={"maxduration": 0, "maxbitrate": 0, "linearity": None, "protocols": []}) == VideoSlot()


@pytest.mark.parametrize(
    ("video", "field", "value"),
    [
        ({"linearity": 2}, "linear", False),
        ({"skip": 0}, "skippable_over", NO_LIMIT),
        ({"skip": 1}, "skippable_over", 0),
        ({"skip": 0, "skipmin": 3}, "skippable_over", NO_LIMIT),
        ({"poddur": 20, "maxduration": 30}, "max_seconds", 20),
        ({"poddur": 60, "maxduration": 30}, "max_seconds", 30),
        ({"poddur": 60, "maxseq": 4}, "places", 4),
        ({"maxseq": 4}, "places", 1),
        ({"rqddurs": [15, 30]}, "durations", frozenset({15, 30})),
        ({"delivery": [3]}, "delivery", frozenset({"progressive"})),
        ({"delivery": [9]}, "delivery", frozenset({""})),
    ],
)
def test_video_constraint_is_read(video: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(_slot(video=video), field) == value


def test_audio_is_read() -> None:
    audio = {"mimes": ["audio/mp3"], "minduration": 5, "maxduration": 30, "protocols": [9], "poddur": 90, "maxseq": 3}
    assert _slot(audio=audio) == AudioSlot(
        mimes=frozenset({"audio/mp3"}),
        min_seconds=5,
        max_seconds=30,
        protocols=frozenset({9}),
        places=3,
        pod_seconds=90,
    )


def test_native_is_read() -> None:
    assets = [
        _TITLE,
        {"id": 2, "required": 0, "img": {"type": 3, "w": 300, "wmin": 200, "hmin": 100, "mimes": ["image/jpg"]}},
        {"id": 3, "data": {"type": 2, "len": 140}},
        {"id": 4, "video": {"mimes": ["video/mp4"], "minduration": 5, "maxduration": 30, "protocols": [2]}},
        {"id": 5, "hologram": {}},
    ]
    slot = _native(json.dumps({"ver": "1.1", "assets": assets}), battr=[3], api=[5])
    video = VideoSlot(mimes=frozenset({"video/mp4"}), min_seconds=5, max_seconds=30, protocols=frozenset({2}))
    assert slot == NativeSlot(
        assets=(
            NativeAsset(1, True, TitleNeed(90)),
            NativeAsset(2, False, ImageNeed(3, 300, 0, 200, 100, frozenset({"image/jpeg"}))),
            NativeAsset(3, False, DataNeed(2, 140)),
            NativeAsset(4, False, video),
            NativeAsset(5, False, None),
        ),
        ver="1.1",
        battr=frozenset({3}),
        api=frozenset({5}),
    )


@pytest.mark.parametrize(
    ("request_", "wrapped"),
    [
        ({"assets": [_TITLE]}, False),
        (json.dumps({"assets": [_TITLE]}), False),
        (json.dumps(json.dumps({"assets": [_TITLE]})), False),
        (json.dumps({"native": {"assets": [_TITLE]}}), True),
        ({"native": {"assets": [_TITLE]}}, True),
        (json.dumps({"ver": "1.0", "assets": [_TITLE]}), True),
        (json.dumps({"ver": 1.1, "assets": [_TITLE]}), False),
        (json.dumps({"ver": "1.2", "assets": _TITLE}), False),
    ],
)
def test_native_request_is_read_in_all_its_forms(request_: Any, wrapped: bool) -> None:
    slot = _native(request_)
    assert slot is not None
    assert slot.assets == (NativeAsset(1, True, TitleNeed(90)),)
    assert slot.wrapped is wrapped


def test_native_without_a_request_is_read_as_of_2016() -> None:
    (slot,) = slots_of(_imp(native={"layout": 2, "assets": [_TITLE]}))
    assert isinstance(slot, NativeSlot)
    assert slot.assets == (NativeAsset(1, True, TitleNeed(90)),)


@pytest.mark.parametrize(
    ("request_ver", "ver", "answered"),
    [("1.1", "1.2", "1.1"), (None, "1.1", "1.1"), (None, None, "1.2"), ("7", "1.0", "1.0"), ("1", None, "1.2")],
)
def test_native_is_answered_in_the_version_asked_for(request_ver: Any, ver: Any, answered: str) -> None:
    slot = _native(json.dumps({"ver": request_ver, "assets": [_TITLE]}), ver=ver)
    assert slot is not None
    assert slot.ver == answered


@pytest.mark.parametrize(
    "request_",
    ["", "test-native", "{}", "[]", "7", '"x"', '{"assets": []}', '{"assets": [', "[" * 100_000, None, [], 5, {}]
    + [json.dumps({"assets": assets}) for assets in ([{"id": 1, "required": 1, "title": "x"}], [7], [None])],
)
def test_native_that_cannot_be_answered_is_no_slot(request_: Any) -> None:
    assert _native(request_) is None


@pytest.mark.parametrize(
    ("assets", "numbers"),
    [
        ([{"title": {}}, {"data": {"type": 1}}], [0, 1]),
        ([{"id": 7, "title": {}}, {"data": {"type": 1}}], [7]),
        ([{"id": 7, "title": {}}, {"id": 7, "data": {"type": 1}}], [7]),
        ([{"id": 0, "title": {}}, {"id": "3", "data": {"type": 1}}], [0, 3]),
        ([{"id": 1, "title": {}}, {"id": 2, "video": {"protocols": ["VAST 2.0"]}}], [1]),
        ([{"id": 7, "title": {}}, {"required": 1, "data": {"type": 1}}], None),
        ([{"id": 1, "title": {}}, {"id": 2, "required": 1, "video": {"protocols": ["VAST 2.0"]}}], None),
    ],
)
def test_assets_are_numbered_or_left_out(assets: list[Any], numbers: list[int] | None) -> None:
    found = _assets(*assets)
    assert (found and [asset.id for asset in found]) == numbers


def test_a_slot_for_each_format_in_order() -> None:
    imp = _imp(
        audio={"mimes": ["audio/mp4"]},
        native={"request": json.dumps({"assets": [_TITLE]})},
        video={"mimes": ["video/mp4"]},
        banner={"w": 300, "h": 250},
    )
    assert [slot.kind for slot in slots_of(imp)] == ["banner", "video", "native", "audio"]
    assert [slot.mtype for slot in slots_of(imp)] == [1, 2, 4, 3]
    assert [slot.kind for slot in slots_of(imp, {"audio", "banner"})] == ["banner", "audio"]


def test_equal_imps_make_equal_slots_and_formats_never_do() -> None:
    video = {"mimes": ["video/mp4", "video/webm"], "protocols": [2, 3]}
    turned = {"mimes": ["video/webm", "video/mp4"], "protocols": [3, 2]}
    assert len({_slot(video=video), _slot(video=turned)}) == 1
    assert len({_slot(video={}), _slot(audio={}), _slot(banner={})}) == 3


@pytest.mark.parametrize("name", ["prebid_requests", "prebid_invalid_requests", "xrtb_requests", "iab_examples"])
def test_real_requests_become_slots(name: str) -> None:
    path = SHARED_DATA / "openrtb" / f"{name}.jsonl"
    require(path.exists(), f"real requests in {path}")
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    formats = unread = 0
    for line in lines:
        try:
            request = decode_request(to_json(line.get("request", line.get("json"))))
        except InvalidRequest:
            continue
        for imp in request.imp:
            found = {slot.kind for slot in slots_of(imp)}
            offered = {kind for kind in ("banner", "video", "native", "audio") if getattr(imp, kind) is not None}
            assert found <= offered
            unfit = {kind for kind in ("video", "audio") if kind in offered and getattr(imp, kind).mimes == []}
            assert offered - found <= {"native", *unfit}  # what adapters' tests put for a request is often no request
            formats, unread = formats + len(offered), unread + len(offered - found)
    assert formats > 0
    assert unread < 0.5 * formats
