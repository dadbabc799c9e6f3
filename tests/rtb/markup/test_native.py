"""Native markup: JSON that answers what was asked, by its ids, and nothing else."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given

from rtb.campaigns.creative import NativeAd
from rtb.inventory.slots import (
    DataNeed,
    ImageNeed,
    NativeAsset,
    NativeSlot,
    Slot,
    TitleNeed,
    VideoSlot,
    answers,
    fits,
    slots_of,
)
from rtb.markup import markup_of
from rtb.openrtb.types import Imp, Native
from tests.rtb.builders import make_audio, make_campaign, make_image, make_native, make_video_ad
from tests.rtb.inventory.slots.strategies import pairs

_BID = "0000000000000001-1f"
_CLICK = "https://bid.example/notice/click/t.o-k_en"
_PART: dict[type, str] = {TitleNeed: "title", DataNeed: "data", ImageNeed: "img", VideoSlot: "video"}


def _markup(slot: NativeSlot, creative: Any) -> str:
    return markup_of(slot, make_campaign(), creative, "https://bid.example").filled(_CLICK, _BID)


def _answer(slot: NativeSlot, creative: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_markup(slot, creative))
    return answer["native"] if slot.wrapped else answer


@given(pairs("native"))
def test_exactly_what_was_asked_is_answered(pair: tuple[Slot, Any]) -> None:
    slot, creative = pair
    assert isinstance(slot, NativeSlot)
    assume(fits(slot, creative))
    answer = _answer(slot, creative)
    assert set(answer) == {"ver", "link", "assets"}
    assert (answer["ver"], answer["link"]) == (slot.ver, {"url": _CLICK})
    asked = {asset.id: asset for asset in slot.assets}
    answered = [asset["id"] for asset in answer["assets"]]
    assert answered == [number for number, asset in asked.items() if answers(asset, creative.native)]
    assert {number for number, asset in asked.items() if asset.required} <= set(answered)
    for asset in answer["assets"]:
        need = asked[asset["id"]].need
        assert set(asset) == {"id", _PART[type(need)]}
        if isinstance(need, TitleNeed):
            assert asset["title"]["text"] == creative.native.title
        if isinstance(need, TitleNeed | DataNeed):
            assert 0 < len(asset.get("title", {}).get("text", "") + asset.get("data", {}).get("value", "")) <= need.len
        if isinstance(need, ImageNeed):
            assert asset["img"] in [
                {"url": image.url, "w": image.w, "h": image.h}
                for image in creative.native.images + creative.native.icons
            ]
        if isinstance(need, VideoSlot):
            document = ElementTree.fromstring(asset["video"]["vasttag"])
            (click,) = (element for element in document.iter() if element.tag.endswith("ClickThrough"))
            assert click.text == _CLICK


def test_an_answer_in_full() -> None:
    native = NativeAd(
        title='"Shoes" {click_url}',
        images=(make_image(1200, 627),),
        icons=(make_image(80, 80),),
        video=make_video_ad(),
        sponsored="Shop",
        cta="Buy",
    )
    images, data = [ImageNeed(1), ImageNeed(3)], [DataNeed(1), DataNeed(12), DataNeed(3)]
    needs: list[TitleNeed | ImageNeed | DataNeed | VideoSlot] = [TitleNeed(), *images, *data, VideoSlot()]
    assets = tuple(NativeAsset(10 + place, False, need) for place, need in enumerate(needs))
    answer = _answer(NativeSlot(assets=assets, ver="1.1"), make_native(native))
    video = answer["assets"].pop()
    assert answer == {
        "ver": "1.1",
        "link": {"url": _CLICK},
        "assets": [
            {"id": 10, "title": {"text": '"Shoes" {click_url}'}},
            {"id": 11, "img": {"url": "https://cdn.example/80x80.png", "w": 80, "h": 80}},
            {"id": 12, "img": {"url": "https://cdn.example/1200x627.png", "w": 1200, "h": 627}},
            {"id": 13, "data": {"value": "Shop"}},
            {"id": 14, "data": {"value": "Buy"}},
        ],
    }
    assert (video["id"], ElementTree.fromstring(video["video"]["vasttag"]).get("version")) == (16, "3.0")


@pytest.mark.parametrize("wrapped", [True, False])
def test_answer_is_wrapped_where_the_request_was(wrapped: bool) -> None:
    slot = NativeSlot(assets=(NativeAsset(1, True, TitleNeed()),), wrapped=wrapped)
    assert ("native" in json.loads(_markup(slot, make_native()))) is wrapped


def test_what_is_no_native_ad_has_no_answer() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        _markup(NativeSlot(), make_audio())


def test_a_video_names_its_impression_and_its_addresses() -> None:
    native = NativeAd(title="Fine", video=make_video_ad())
    need = VideoSlot(protocols=frozenset({13}))
    answer = _answer(NativeSlot(assets=(NativeAsset(1, True, need),)), make_native(native))
    document = ElementTree.fromstring(answer["assets"][0]["video"]["vasttag"])
    named = "{http://www.iab.com/VAST}"
    assert document.findtext(f".//{named}AdServingId") == _BID
    assert document.findtext(f".//{named}Impression") == f"https://bid.example/notice/view/{_BID}?event=impression"


@pytest.mark.parametrize("text", ["\0\1", "\x01", "{click_url}", '"}]', "\\u0000"])
def test_no_text_of_an_ad_is_taken_for_a_placeholder(text: str) -> None:
    slot = NativeSlot(assets=(NativeAsset(1, True, TitleNeed()),))
    answer = _answer(slot, make_native(NativeAd(title=text)))
    assert answer["assets"] == [{"id": 1, "title": {"text": text}}]


_BILL = "https://bid.example/notice/bill/t.o-k_en"
_TITLE = {"id": 1, "required": 1, "title": {"len": 90}}


@pytest.mark.parametrize(
    ("asked", "is_event"),
    [
        ({"ver": "1.2"}, True),
        ({}, True),
        ({"ver": "1.2", "eventtrackers": [{"event": 1, "methods": [1, 2]}]}, True),
        ({"ver": "1.2", "eventtrackers": [{"event": 2, "methods": [2]}, {"event": 1, "methods": [1]}]}, True),
        ({"ver": "1.2", "eventtrackers": [{"event": 1, "methods": [2]}]}, False),
        ({"ver": "1.2", "eventtrackers": [{"event": 2, "methods": [1]}]}, False),
        ({"ver": "1.1"}, False),
        ({"ver": "1.0"}, False),
    ],
)
def test_the_address_that_bills_is_a_tracker_as_the_request_takes_one(asked: dict[str, Any], is_event: bool) -> None:
    sent = json.dumps({**asked, "assets": [_TITLE]})
    (slot,) = slots_of(Imp("1", native=Native(request=sent)))
    assert isinstance(slot, NativeSlot)
    template = markup_of(slot, make_campaign(), make_native(), "https://bid.example")
    answer = json.loads(template.filled(_CLICK, _BID, _BILL))
    answer = answer["native"] if slot.wrapped else answer
    if is_event:  # Native 1.2, 5.8: event, method and url of each
        assert answer["eventtrackers"] == [{"event": 1, "method": 1, "url": _BILL}]
        assert "imptrackers" not in answer
    else:
        assert answer["imptrackers"] == [_BILL]
        assert "eventtrackers" not in answer
    plain = json.loads(template.filled(_CLICK, _BID))
    assert not {"eventtrackers", "imptrackers"} & (plain["native"] if slot.wrapped else plain).keys()


def test_a_video_in_a_native_ad_does_not_bill_as_well() -> None:
    slot = NativeSlot(assets=(NativeAsset(1, True, VideoSlot()),))
    creative = make_native(NativeAd(title="Shoes", video=make_video_ad()))
    text = markup_of(slot, make_campaign(), creative, "https://bid.example").filled(_CLICK, _BID, _BILL)
    assert text.count(_BILL) == 1
    assert "\2" not in text
