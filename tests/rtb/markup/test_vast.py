"""Video and audio markup: a document that parses, in a version the slot reads, and holds what the slot takes."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from lxml import etree

from rtb.inventory.slots import VAST, AudioSlot, Slot, VideoSlot, fits, media_for
from rtb.markup import markup_of
from rtb.settlement.view_events import PROGRESS
from tests.rtb.builders import make_audio, make_campaign, make_file, make_video
from tests.rtb.inventory.slots.strategies import TEXTS, pairs
from tests.support import SHARED_DATA, require

_BASE, _BID = "https://bid.example", "0000000000000001-1f"
_VIEW = f"{_BASE}/notice/view/{_BID}?event="
_NAMESPACE = "{http://www.iab.com/VAST}"
_CLICK = "https://bid.example/notice/click/t.o-k_en"


def _document(slot: Any, creative: Any, **campaign: Any) -> ElementTree.Element:
    return read(_markup(slot, creative, **campaign))


def _markup(slot: Any, creative: Any, **campaign: Any) -> str:
    return markup_of(slot, make_campaign(**campaign), creative, _BASE).filled(_CLICK, _BID)


def read(markup: str) -> ElementTree.Element:
    """Return a document without the namespace that VAST has from 4.0 on."""
    root = ElementTree.fromstring(markup)
    assert root.tag.startswith(_NAMESPACE) == (root.get("version", "") >= "4.0")
    for element in root.iter():
        element.tag = element.tag.removeprefix(_NAMESPACE)
    return root


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
    assert inline.find("AdSystem[@version]") is not None
    assert _one(inline, "AdTitle") == _legible(name)
    assert _one(inline, "Impression") == f"{_VIEW}impression"
    assert _one(inline, "Error") == f"{_VIEW}error&code=%5BERRORCODE%5D"
    events = inline.findall("Creatives/Creative/Linear/TrackingEvents/Tracking")
    assert [(event.get("event"), event.text) for event in events] == [(name, _VIEW + name) for name in PROGRESS]
    assert all(file.get("id") for file in inline.iter("MediaFile"))
    serving = [element.text for element in inline.iter("AdServingId")]
    assert serving == ([_BID] if document.tag == "VAST" and document.get("version", "") >= "4.1" else [])
    assert _seconds(_one(inline, "Creatives/Creative/Linear/Duration")) == pytest.approx(ad.duration_seconds)
    sent = inline.findall("Creatives/Creative/Linear/MediaFiles/MediaFile")
    assert [(unquote(file.text or ""), *map(file.get, ("type", "bitrate", "width", "delivery"))) for file in sent] == [
        (unquote(file.url), file.mime, str(file.bitrate), str(file.w), file.delivery)
        for file in media_for(slot, ad.media)
    ]


@pytest.mark.parametrize(
    ("protocol", "version", "order"),
    [
        (2, "2.0", ["AdSystem", "AdTitle", "Error", "Impression", "Creatives"]),
        (3, "3.0", ["AdSystem", "AdTitle", "Advertiser", "Error", "Impression", "Creatives"]),
        (7, "4.0", ["AdSystem", "Error", "Impression", "AdTitle", "Advertiser", "Category", "Creatives"]),
        (
            13,
            "4.2",
            ["AdSystem", "Error", "Impression", "AdServingId", "AdTitle", "Advertiser", "Category", "Creatives"],
        ),
    ],
)
def test_elements_are_in_the_order_of_their_version(protocol: int, version: str, order: list[str]) -> None:
    document = _document(VideoSlot(protocols=frozenset({protocol})), make_video(), cat=("IAB1",))
    assert document.get("version") == version
    assert [element.tag for element in document.findall("Ad/InLine/*")] == order
    linear = [element.tag for element in document.findall("Ad/InLine/Creatives/Creative/Linear/*")]
    later = ["TrackingEvents", "Duration", "MediaFiles", "VideoClicks"]
    assert linear == (later if version >= "4.0" else ["Duration", "TrackingEvents", "VideoClicks", "MediaFiles"])


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
        _markup(slot, creative)


def test_macros_are_left_to_the_exchange() -> None:
    video = make_video(make_file(url="https://cdn.example/a.mp4?auction=${AUCTION_ID}"))
    assert "auction=${AUCTION_ID}]]>" in _markup(VideoSlot(), video)


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://cdn.example/[x].mp4", "https://cdn.example/%5Bx%5D.mp4"),
        ("https://cdn.example/100%.mp4?a=%20", "https://cdn.example/100%25.mp4?a=%20"),
        ("https://[2001:db8::1]/a.mp4", "https://[2001:db8::1]/a.mp4"),
    ],
)
def test_address_is_a_uri(url: str, written: str) -> None:
    (file,) = _document(VideoSlot(), make_video(make_file(url=url))).iter("MediaFile")
    assert file.text == written


_SCHEMAS = {
    "2.0": "vast_2.0.1.xsd",
    "3.0": "vast3_draft.xsd",
    "4.0": "vast4.xsd",
    "4.1": "vast_4.1.xsd",
    "4.2": "vast_4.2.xsd",
    "4.3": "vast_4.2.xsd",  # of 4.3 there is none: what differs are elements that no document of ours has
}


@cache
def _schema(version: str) -> etree.XMLSchema:
    path = SHARED_DATA / "vast-xsd" / _SCHEMAS[version]
    require(path.exists(), f"IAB's schemas of VAST are not in {path.parent}")
    return etree.XMLSchema(etree.parse(path))


@given(pairs("video", "audio"), TEXTS, st.lists(TEXTS, max_size=2))
def test_document_is_valid_by_the_schema_of_its_version(pair: tuple[Slot, Any], name: str, cat: list[str]) -> None:
    slot, creative = pair
    assume(fits(slot, creative))
    document = etree.fromstring(_markup(slot, creative, name=name, cat=tuple(cat)).encode())
    if document.get("version") != "1.0":  # DAAST has no schema of IAB's
        _schema(document.get("version")).assertValid(document)


@pytest.mark.parametrize("protocol", VAST)
@pytest.mark.parametrize("creative", [make_video(skip_after=5.5), make_audio(), make_video(seconds=86_400.0)])
def test_each_version_is_valid(protocol: int, creative: Any) -> None:
    slot_of: Any = VideoSlot if creative.video else AudioSlot
    document = etree.fromstring(_markup(slot_of(protocols=frozenset({protocol})), creative, cat=("IAB1",)).encode())
    assert document.get("version") == VAST[protocol]
    _schema(VAST[protocol]).assertValid(document)


_BILL = "https://bid.example/notice/bill/t.o-k_en"


@pytest.mark.parametrize("billing", [_BILL, f"{_BILL}?price=${{AUCTION_PRICE}}&cur=${{AUCTION_CURRENCY}}"])
@pytest.mark.parametrize("protocol", VAST)
@pytest.mark.parametrize("creative", [make_video(skip_after=5.5), make_audio()])
def test_each_version_is_valid_with_the_address_that_bills(protocol: int, creative: Any, billing: str) -> None:
    slot_of: Any = VideoSlot if creative.video else AudioSlot
    slot = slot_of(protocols=frozenset({protocol}))
    markup = markup_of(slot, make_campaign(cat=("IAB1",)), creative, _BASE).filled(_CLICK, _BID, billing)
    document = read(markup)
    assert [one.text for one in document.findall("Ad/InLine/Impression")] == [f"{_VIEW}impression", billing]
    _schema(VAST[protocol]).assertValid(etree.fromstring(markup.encode()))


def test_daast_has_the_address_that_bills_too() -> None:
    markup = markup_of(AudioSlot(protocols=frozenset({9})), make_campaign(), make_audio(), _BASE)
    document = read(markup.filled(_CLICK, _BID, _BILL))
    assert document.tag == "DAAST"
    assert [one.text for one in document.findall("Ad/InLine/Impression")] == [f"{_VIEW}impression", _BILL]


@given(pairs("video", "audio"), TEXTS)
def test_markup_that_bills_nothing_has_no_second_impression(pair: tuple[Slot, Any], name: str) -> None:
    slot, creative = pair
    assume(fits(slot, creative))
    markup = _markup(slot, creative, name=name)
    assert "\2" not in markup
    assert markup.count("<Impression>") == 1
