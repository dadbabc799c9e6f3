"""Slots and creatives for properties, often fitting."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from rtb.campaigns.creative import Creative, NativeAd
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
_PROTOCOLS = st.sampled_from([(), (2, 5), (2, 3, 6), (7, 8), (3, 11), (13,), (13, 15), (9, 10), (5, 6)]).map(frozenset)
_SECONDS = st.sampled_from([5, 15, 30, 60])
_CODES = st.sampled_from([(), (), (), (5,), (7, 16)])
_URLS = st.sampled_from(["https://cdn.example/a?b=1&c=<2>", "http://cdn.example/]]>", 'https://cdn.example/"a'])

TEXTS = st.text(max_size=12) | st.sampled_from(["]]>", "<b>&amp;\"'", "${AUCTION_PRICE}", "{click_url}", "\x00\x0b￾"])


def _some(values: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(values, min_size=1, max_size=most)


_ANY: dict[str, st.SearchStrategy[Any]] = {
    "battr": _some(st.integers(1, 17)),
    "api": _some(st.integers(1, 7)),
    "secure": st.just(True),
    "instl": st.just(True),
    "rwdd": st.just(True),
}


def _played(mimes: st.SearchStrategy[str]) -> dict[str, st.SearchStrategy[Any]]:
    return {
        **_ANY,
        "mimes": _some(mimes),
        "min_seconds": st.sampled_from([5, 10]),
        "max_seconds": st.sampled_from([10, 30, 60]),
        "durations": _some(_SECONDS),
        "min_bitrate": st.just(200),
        "max_bitrate": st.sampled_from([300, 2_000]),
        "delivery": _some(st.sampled_from(["progressive", "streaming"])),
    }


_BANNER: dict[str, st.SearchStrategy[Any]] = {
    **_ANY,
    "ratios": st.lists(st.builds(Ratio, st.integers(1, 6), st.integers(1, 5), st.integers(0, 400)), max_size=2).map(
        tuple
    ),
    "widths": st.tuples(st.integers(0, 300), st.integers(300, 800)),
    "heights": st.tuples(st.integers(0, 90), st.integers(90, 600)),
    "mimes": _some(st.sampled_from(["image/png", "image/jpeg", "text/html"])),
    "btype": _some(st.integers(1, 4)),
}
_VIDEO: dict[str, st.SearchStrategy[Any]] = {
    **_played(_VIDEOS),
    "w": st.sampled_from([640, 300]),
    "h": st.sampled_from([360, 250]),
    "linear": st.just(False),
    "skippable_over": st.sampled_from([5, 20, NO_LIMIT]),
    "skip_after": st.just(7),
    "boxing": st.just(False),
}


@st.composite
def _constrained(draw: st.DrawFn, /, slot: Any, constraints: dict[str, st.SearchStrategy[Any]], **given: Any) -> Any:
    """Draw a slot with at most three of these constraints: more of them rarely hold."""
    names = draw(st.lists(st.sampled_from(sorted(constraints)), max_size=3, unique=True))
    return slot(
        **{name: draw(values) for name, values in given.items()},
        **{name: draw(constraints[name]) for name in names},
    )


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
        st.just(frozenset()) | _some(st.sampled_from(["image/png", "image/jpeg"])),
    ),
    st.builds(VideoSlot, mimes=_some(_VIDEOS), protocols=_PROTOCOLS, max_seconds=st.sampled_from([10, 60])),
    st.none(),
)


_assets = st.lists(st.tuples(st.sampled_from([False] * 5 + [True]), _NEEDS), min_size=1, max_size=5).map(
    lambda asked: tuple(NativeAsset(10 - 3 * place, *asset) for place, asset in enumerate(asked))
)
_slots: dict[str, st.SearchStrategy[Slot]] = {
    "banner": _constrained(BannerSlot, _BANNER, sizes=st.lists(_SIZES, min_size=1, max_size=4).map(tuple)),
    "video": _constrained(VideoSlot, _VIDEO, protocols=_PROTOCOLS),
    "audio": _constrained(AudioSlot, _played(_SOUNDS), protocols=_PROTOCOLS),
    "native": _constrained(
        NativeSlot, _ANY, assets=_assets, ver=st.sampled_from(["1.0", "1.1", "1.2"]), wrapped=st.booleans()
    ),
}

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
_any_codes = {"attr": _CODES, "api": _CODES}
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
slots = st.one_of(*_slots.values())
creatives = st.one_of(*_creatives.values())


@st.composite
def pairs(draw: st.DrawFn, *kinds: str) -> tuple[Slot, Creative]:
    """Draw a slot and a creative of its kind: any kind, or one of these."""
    kind = draw(st.sampled_from(kinds or tuple(_slots)))
    return draw(_slots[kind]), draw(_creatives[kind])
