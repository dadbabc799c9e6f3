"""Slots and creatives for properties, often fitting."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from rtb.creative import Creative, NativeAd
from rtb.slots import (
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
from tests.rtb.builders import (
    make_audio,
    make_creative,
    make_file,
    make_image,
    make_native,
    make_video,
    make_video_ad,
)

_SIZES = st.sampled_from([(300, 250), (728, 90), (320, 50), (600, 500), (640, 360), (80, 80)])
_VIDEOS = st.sampled_from(["video/mp4", "video/webm"])
_SOUNDS = st.sampled_from(["audio/mpeg", "audio/mp4"])
_PROTOCOLS = st.frozensets(st.integers(1, 16), max_size=5)
_SECONDS = st.sampled_from([5, 15, 30, 60])
_CODES = st.sets(st.integers(1, 17), max_size=2)
_URLS = st.sampled_from(["https://cdn.example/a?b=1&c=<2>", "http://cdn.example/]]>", 'https://cdn.example/"a'])
_NONE: st.SearchStrategy[frozenset[Any]] = st.just(frozenset())

TEXTS = st.text(max_size=12) | st.sampled_from(["]]>", "<b>&amp;\"'", "${AUCTION_PRICE}", "{click_url}", "\x00\x0b￾"])


def _maybe(values: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[frozenset[Any]]:
    """Often nothing: two constraints at once rarely hold."""
    return _NONE | _NONE | st.frozensets(values, min_size=1, max_size=most)


_COMMON: dict[str, st.SearchStrategy[Any]] = {
    "battr": _maybe(st.integers(1, 17)),
    "api": _maybe(st.integers(1, 7)),
    "secure": st.booleans(),
    "instl": st.booleans(),
    "rwdd": st.booleans(),
}


def _played(mimes: st.SearchStrategy[str]) -> dict[str, st.SearchStrategy[Any]]:
    return {
        **_COMMON,
        "mimes": _maybe(mimes),
        "protocols": _NONE | _PROTOCOLS,
        "min_seconds": st.sampled_from([0, 0, 5, 10]),
        "max_seconds": st.sampled_from([10, 30, 60, NO_LIMIT]),
        "durations": _maybe(_SECONDS),
        "min_bitrate": st.sampled_from([0, 0, 200]),
        "max_bitrate": st.sampled_from([300, 2_000, NO_LIMIT]),
        "delivery": _maybe(st.sampled_from(["progressive", "streaming"])),
    }


banner_slots = st.builds(
    BannerSlot,
    **_COMMON,
    sizes=st.lists(_SIZES, max_size=3).map(tuple),
    ratios=st.lists(st.builds(Ratio, st.integers(1, 6), st.integers(1, 5), st.integers(0, 400)), max_size=2).map(tuple),
    widths=st.none() | st.tuples(st.integers(0, 300), st.integers(300, 800)),
    heights=st.none() | st.tuples(st.integers(0, 90), st.integers(90, 600)),
    mimes=_maybe(st.sampled_from(["image/png", "image/jpeg", "text/html"])),
    btype=_maybe(st.integers(1, 4)),
)
video_slots = st.builds(
    VideoSlot,
    **_played(_VIDEOS),
    w=st.sampled_from([0, 640, 300]),
    h=st.sampled_from([0, 360, 250]),
    linear=st.sampled_from([True, True, False]),
    skippable_over=st.sampled_from([0, 5, 20, NO_LIMIT]),
    skip_after=st.sampled_from([0, 7]),
    boxing=st.booleans(),
)
audio_slots = st.builds(AudioSlot, **_played(_SOUNDS))

_NEEDS = st.one_of(
    st.builds(TitleNeed, st.sampled_from([3, 25, NO_LIMIT])),
    st.builds(DataNeed, st.integers(1, 13), st.sampled_from([3, 25, NO_LIMIT])),
    st.builds(
        ImageNeed,
        st.integers(0, 4),
        st.sampled_from([0, 80, 300]),
        st.sampled_from([0, 80, 250]),
        st.none() | st.sampled_from([0, 50, 500]),
        st.none() | st.sampled_from([0, 50, 500]),
        _maybe(st.sampled_from(["image/png", "image/jpeg"])),
    ),
    st.builds(VideoSlot, mimes=_maybe(_VIDEOS), protocols=_NONE | _PROTOCOLS, max_seconds=st.sampled_from([10, 60])),
    st.none(),
)


@st.composite
def native_slots(draw: st.DrawFn) -> NativeSlot:
    numbers = draw(st.lists(st.integers(0, 20), min_size=1, max_size=5, unique=True))
    required = st.sampled_from([True, False, False])
    assets = tuple(NativeAsset(number, draw(required), draw(_NEEDS)) for number in numbers)
    common = {name: draw(values) for name, values in _COMMON.items()}
    ver = draw(st.sampled_from(["1.0", "1.1", "1.2"]))
    return NativeSlot(assets=assets, ver=ver, wrapped=draw(st.booleans()), **common)


slots: st.SearchStrategy[Slot] = banner_slots | video_slots | audio_slots | native_slots()

_files = st.builds(
    make_file,
    _VIDEOS,
    url=_URLS,
    w=st.sampled_from([640, 300, 1280]),
    h=st.sampled_from([360, 250, 720]),
    bitrate=st.sampled_from([100, 250, 1_500]),
    delivery=st.sampled_from(["progressive", "streaming"]),
)
_sounds = st.builds(make_file, _SOUNDS, url=_URLS, bitrate=st.sampled_from([100, 250, 1_500]))
_lengths = st.sampled_from([5.0, 15.0, 29.97, 60.0, 3_725.5])
_video_ads = st.builds(
    lambda media, seconds, skip_after: make_video_ad(*media, seconds=seconds, skip_after=skip_after),
    st.lists(_files, min_size=1, max_size=3),
    _lengths,
    st.none() | st.sampled_from([0.0, 5.0, 6.5]),
)
_any_codes = {"attr": _CODES.map(tuple), "api": (_NONE | _CODES).map(tuple)}
_images = st.lists(st.builds(make_image, st.sampled_from([80, 300, 600]), st.sampled_from([80, 250])), max_size=3)
_native_ads = st.builds(
    NativeAd,
    title=TEXTS.filter(bool),
    images=_images.map(tuple),
    icons=_images.map(tuple),
    video=st.none() | _video_ads,
    sponsored=TEXTS,
    body=TEXTS,
    cta=TEXTS,
    rating=st.sampled_from(["", "4.5"]),
)

_creatives: dict[str, st.SearchStrategy[Creative]] = {
    "banner": st.builds(
        make_creative,
        size=_SIZES,
        adm=st.sampled_from(["", "<b>x</b>", '<script src="https://a.example"></script>']),
        image_url=_URLS,
        **_any_codes,
    ),
    "video": st.builds(lambda ad, **fields: make_video(video=ad, **fields), _video_ads, **_any_codes),
    "audio": st.builds(
        lambda media, seconds, **fields: make_audio(*media, seconds=seconds, **fields),
        st.lists(_sounds, min_size=1, max_size=3),
        _lengths,
        **_any_codes,
    ),
    "native": st.builds(make_native, _native_ads, **_any_codes),
}
_slots: dict[str, st.SearchStrategy[Slot]] = {
    "banner": banner_slots,
    "video": video_slots,
    "audio": audio_slots,
    "native": native_slots(),
}

creatives = st.one_of(*_creatives.values())


@st.composite
def pairs(draw: st.DrawFn, *kinds: str) -> tuple[Slot, Creative]:
    """A slot and a creative of its kind, which is any, or one of these."""
    kind = draw(st.sampled_from(kinds or tuple(_slots)))
    return draw(_slots[kind]), draw(_creatives[kind])
