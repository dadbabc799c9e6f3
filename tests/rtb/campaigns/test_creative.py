"""Creatives of all kinds: read back whole, refused with the field's name, and what they imply."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rtb.campaigns.campaign import CampaignError, decode_campaign
from rtb.campaigns.creative import BANNER_AD, IFRAME_AD, JAVASCRIPT_AD, SKIPPABLE, TEXT_AD, NativeAd
from tests.rtb.builders import (
    make_audio,
    make_campaign,
    make_creative,
    make_file,
    make_image,
    make_native,
    make_video,
    make_video_ad,
    to_json,
)

_FILE = {"url": "https://cdn.example/a.mp4", "mime": "video/mp4", "w": 640, "h": 360, "bitrate": 800}
_SOUND = {"url": "https://cdn.example/a.mp3", "mime": "audio/mpeg", "bitrate": 128}
_VIDEO = {"media": [_FILE], "duration_seconds": 15}


def _sent(**creative: Any) -> bytes:
    return to_json(
        {
            "id": "spring",
            "name": "Spring",
            "adomain": ["shop.example"],
            "budget": {"total_micros": 1},
            "goal": {"value_micros": 1},
            "creatives": [{"id": "c", "landing_url": "https://shop.example/", **creative}],
        }
    )


def test_creatives_of_all_kinds_come_back_as_they_were_sent() -> None:
    creatives = (
        make_creative(api=(5,), language="en", iurl="https://cdn.example/c.png"),
        make_video(make_file(delivery="streaming"), make_file(bitrate=3_000), skip_after=5.0, attr=(1,)),
        make_audio(seconds=30.0),
        make_native(NativeAd(title="Shoes", images=(make_image(1, 1),), video=make_video_ad(), cta="Buy")),
    )
    campaign = make_campaign(creatives=creatives)
    assert decode_campaign(msgspec.json.encode(campaign)) == campaign


def test_a_creative_that_names_no_kind_is_a_banner() -> None:
    sent = _sent(w=300, h=250, image_url="https://cdn.example/a.png")
    assert decode_campaign(sent).creatives[0].kind == "banner"


@pytest.mark.parametrize(
    ("creative", "said"),
    [
        ({"kind": "popup"}, r"kind"),
        ({"w": 300, "h": 250}, r"adm.*image_url"),
        ({"h": 250, "adm": "x"}, r"needs `w` - at `\$\.creatives\[0\]\.w`"),
        ({"w": 300, "adm": "x"}, r"needs `h`"),
        ({"w": 300, "h": 250, "adm": "x", "video": _VIDEO}, r"kind `banner` has no `video`"),
        ({"kind": "video"}, r"kind `video` needs `video` - at `\$\.creatives\[0\]\.video`"),
        ({"kind": "audio"}, r"kind `audio` needs `audio`"),
        ({"kind": "native"}, r"kind `native` needs `native`"),
        ({"kind": "audio", "video": _VIDEO}, r"kind `audio` has no `video`"),
        ({"kind": "video", "video": _VIDEO, "w": 300}, r"only a banner has `w`"),
        ({"kind": "video", "video": _VIDEO, "adm": "x"}, r"only a banner has `adm`"),
        ({"kind": "video", "video": {**_VIDEO, "media": []}}, r"media"),
        ({"kind": "video", "video": {**_VIDEO, "media": [{**_FILE, "w": 0}]}}, r"needs `w` and `h`"),
        ({"kind": "video", "video": {**_VIDEO, "media": [{**_FILE, "url": "a.mp4"}]}}, r"not an http\(s\) URL"),
        ({"kind": "video", "video": {**_VIDEO, "media": [{**_FILE, "bitrate": 0}]}}, r"bitrate"),
        ({"kind": "video", "video": {**_VIDEO, "duration_seconds": 0}}, r"duration_seconds"),
        ({"kind": "video", "video": {**_VIDEO, "skip_after_seconds": -1}}, r"skip_after_seconds"),
        ({"kind": "video", "video": {**_VIDEO, "linearity": 2}}, r"linearity"),
        ({"kind": "audio", "audio": {"media": [{**_SOUND, "url": "ftp://a"}], "duration_seconds": 1}}, r"http\(s\)"),
        ({"kind": "native", "native": {}}, r"title"),
        ({"kind": "native", "native": {"title": "x", "images": [{"url": "y", "w": 1, "h": 1}]}}, r"http\(s\)"),
        ({"kind": "native", "native": {"title": "x", "icons": [{"url": "https://a.example/", "w": 0, "h": 1}]}}, r"w"),
        ({"kind": "native", "native": {"title": "x", "video": {**_VIDEO, "media": [_SOUND]}}}, r"needs `w` and `h`"),
        ({"w": 1, "h": 1, "adm": "x", "language": "English"}, r"language"),
    ],
)
def test_unusable_creative_is_refused_by_its_field(creative: dict[str, Any], said: str) -> None:
    with pytest.raises(CampaignError, match=said):
        decode_campaign(_sent(**creative))


@pytest.mark.parametrize(
    ("creative", "secure"),
    [
        (make_creative(), True),
        (make_creative(landing_url="http://shop.example/"), True),
        (make_creative(image_url="http://cdn.example/a.png"), False),
        (make_creative(image_url="HTTP://cdn.example/a.png"), False),
        (make_creative(iurl="http://cdn.example/a.png"), False),
        (make_creative(adm='<img src="//cdn.example/a.png">'), True),
        (make_creative(adm='<img src="http://cdn.example/a.png">'), False),
        (make_creative(adm='<svg xmlns="http://www.w3.org/2000/svg"></svg>'), True),
        (make_video(), True),
        (make_video(make_file(), make_file(url="http://cdn.example/a.mp4")), False),
        (make_audio(make_file("audio/mpeg", url="http://cdn.example/a.mp3")), False),
        (make_native(), True),
        (make_native(NativeAd(title="x", icons=(make_image(1, 1, url="http://cdn.example/a.png"),))), False),
        (make_native(NativeAd(title="x", video=make_video_ad(make_file(url="http://cdn.example/a")))), False),
    ],
)
def test_a_creative_is_secure_when_nothing_is_loaded_without_tls(creative: Any, secure: bool) -> None:
    assert creative.is_secure is secure


@pytest.mark.parametrize(
    ("adm", "types"),
    [
        ("", {BANNER_AD}),
        ("<IMG src=x>", {BANNER_AD}),
        ("<b>Buy</b>", {BANNER_AD, TEXT_AD}),
        ("<script src=x></script>", {BANNER_AD, JAVASCRIPT_AD}),
        ("<iframe src=x></iframe><script></script>", {BANNER_AD, IFRAME_AD, JAVASCRIPT_AD}),
    ],
)
def test_banner_type_is_what_the_markup_may_be_taken_for(adm: str, types: set[int]) -> None:
    assert make_creative(adm=adm).banner_types == types


def test_attributes_say_that_a_video_can_be_skipped() -> None:
    assert make_video(skip_after=0.0, attr=(1,)).attributes == {1, SKIPPABLE}
    assert make_video(attr=(1,)).attributes == {1}


def test_size_is_that_of_what_is_seen_first() -> None:
    assert make_creative().size == (300, 250)
    assert make_video(make_file(w=640, h=360), make_file(w=1920, h=1080)).size == (1920, 1080)
    assert make_native().size == (1200, 627)
    assert make_native(NativeAd(title="x")).size == make_audio().size == (0, 0)


@pytest.mark.parametrize(
    ("fields", "mime"),
    [
        ({}, "image/png"),
        ({"image_url": "https://cdn.example/a.jpg?v=1.png"}, "image/jpeg"),
        ({"image_url": "https://cdn.example/a"}, ""),
        ({"adm": "<b>x</b>"}, "text/html"),
    ],
)
def test_media_type_of_a_banner(fields: dict[str, Any], mime: str) -> None:
    assert make_creative(**fields).mime == mime
