"""Video and audio markup: a document that parses, in a version the slot reads, and holds what the slot takes."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from rtb.inventory.slots import VAST, AudioSlot, Slot, VideoSlot, fits, media_for
from rtb.markup import markup_of
from tests.rtb.builders import make_audio, make_campaign, make_file, make_video
from tests.rtb.inventory.slots.strategies import TEXTS, pairs

_CLICK = "https://bid.example/notice/click/t.o-k_en"


def _document(slot: Any, creative: Any, **campaign: Any) -> ElementTree.Element:
    pieces = markup_of(slot, make_campaign(**campaign), creative)
    assert len(pieces) == 2
    return ElementTree.fromstring(_CLICK.join(pieces))


def _one(document: ElementTree.Element, path: str) -> str:
    (found,) = document.findall(path)
    return found.text or ""


def _seconds(clock: str) -> float:
    hours, minutes, seconds = re.fullmatch(r"(\d\d):([0-5]\d):([0-5]\d(?:\.\d{3})?)", clock).groups()  # type: ignore[union-attr]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _legible(text: str) -> str:
    """Return what XML keeps of a text."""
    kept = re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
    return kept.replace("\r\n", "\n").replace("\r", "\n")


@given(pairs("video", "audio"), TEXTS, st.lists(TEXTS, max_size=2))
def test_document_of_what_fits_parses_and_holds_it(pair: tuple[Slot, Any], name: str, cat: list[str]) -> None:
    slot, creative = pair
    assert isinstance(slot, VideoSlot | AudioSlot)
    assume(fits(slot, creative))
    document = _document(slot, creative, name=name, cat=tuple(cat))
    event(f"{document.tag} {document.get('version')}")
    ad = creative.video or creative.audio
    inline = document.find("Ad/InLine")
    assert inline is not None
    if document.tag == "VAST":
        asked = {VAST[protocol] for protocol in slot.protocols if protocol in VAST}
        assert document.get("version") in (asked or {"3.0"})
        assert _one(inline, "Creatives/Creative/Linear/VideoClicks/ClickThrough") == _CLICK
    else:
        assert (document.tag, document.get("version"), slot.kind) == ("DAAST", "1.0", "audio")
        assert slot.protocols.isdisjoint(VAST)
        assert _one(inline, "Creatives/Creative/Linear/AdInteractions/ClickThrough") == _CLICK
    assert _one(inline, "AdSystem") == "Raybid"
    assert _one(inline, "AdTitle") == _legible(name)
    assert _one(inline, "Impression") == ""
    assert _seconds(_one(inline, "Creatives/Creative/Linear/Duration")) == pytest.approx(ad.duration_seconds)
    sent = inline.findall("Creatives/Creative/Linear/MediaFiles/MediaFile")
    assert [
        (file.text, file.get("type"), file.get("bitrate"), file.get("width"), file.get("delivery")) for file in sent
    ] == [(file.url, file.mime, str(file.bitrate), str(file.w), file.delivery) for file in media_for(slot, ad.media)]


@pytest.mark.parametrize(
    ("protocol", "version", "order"),
    [
        (2, "2.0", ["AdSystem", "AdTitle", "Impression", "Creatives"]),
        (3, "3.0", ["AdSystem", "AdTitle", "Advertiser", "Impression", "Creatives"]),
        (7, "4.0", ["AdSystem", "Impression", "AdTitle", "Advertiser", "Category", "Creatives"]),
        (13, "4.2", ["AdSystem", "Impression", "AdServingId", "AdTitle", "Advertiser", "Category", "Creatives"]),
    ],
)
def test_elements_are_in_the_order_of_their_version(protocol: int, version: str, order: list[str]) -> None:
    document = _document(VideoSlot(protocols=frozenset({protocol})), make_video(), cat=("IAB1",))
    assert document.get("version") == version
    assert [element.tag for element in document.findall("Ad/InLine/*")] == order
    linear = [element.tag for element in document.findall("Ad/InLine/Creatives/Creative/Linear/*")]
    later = ["Duration", "MediaFiles", "VideoClicks"]
    assert linear == (later if version >= "4.0" else ["Duration", "VideoClicks", "MediaFiles"])


def test_version_4_names_the_creative_for_all() -> None:
    def named(protocol: int) -> list[tuple[str | None, str | None]]:
        document = _document(VideoSlot(protocols=frozenset({protocol})), make_video())
        found = document.findall("Ad/InLine/Creatives/Creative/UniversalAdId")
        return [(element.get("idValue"), element.text) for element in found]

    assert [named(protocol) for protocol in (3, 7, 11)] == [
        [],
        [("spring-video", "spring-video")],
        [(None, "spring-video")],
    ]


@pytest.mark.parametrize(
    ("skip_after", "slot", "offset"),
    [
        (None, VideoSlot(), None),
        (5.0, VideoSlot(), "00:00:05"),
        (5.5, VideoSlot(), "00:00:05.500"),
        (5.0, VideoSlot(skip_after=8), "00:00:08"),
        (0.0, VideoSlot(), "00:00:00"),
        (5.0, VideoSlot(protocols=frozenset({2})), None),
    ],
)
def test_skipping_begins_when_both_sides_let_it(skip_after: float | None, slot: VideoSlot, offset: str | None) -> None:
    linear = _document(slot, make_video(skip_after=skip_after)).find("Ad/InLine/Creatives/Creative/Linear")
    assert linear is not None
    assert linear.get("skipoffset") == offset


def test_audio_says_so_from_4_1_on() -> None:
    def said(protocol: int) -> str | None:
        (ad,) = _document(AudioSlot(protocols=frozenset({protocol})), make_audio()).findall("Ad")
        return ad.get("adType")

    assert [said(protocol) for protocol in (3, 7, 11, 15)] == [None, None, "audio", "audio"]


@pytest.mark.parametrize(
    ("slot", "creative"),
    [
        (VideoSlot(mimes=frozenset({"video/webm"})), make_video()),
        (VideoSlot(protocols=frozenset({5})), make_video()),
        (VideoSlot(), make_audio()),
        (AudioSlot(), make_video()),
    ],
)
def test_what_does_not_fit_has_no_document(slot: Any, creative: Any) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        markup_of(slot, make_campaign(), creative)


def test_macros_are_left_to_the_exchange() -> None:
    video = make_video(make_file(url="https://cdn.example/a.mp4?auction=${AUCTION_ID}"))
    assert "auction=${AUCTION_ID}]]>" in _CLICK.join(markup_of(VideoSlot(), make_campaign(), video))
