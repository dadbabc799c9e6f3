"""A flat request means what the OpenRTB request does that says the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.money.currency import Rates
from rtb.openrtb import InvalidRequest
from rtb.simple_api import DEVICES, FlatRequest, to_bid_request
from rtb.targeting.listing import Listing
from tests.rtb.bidder import Bidder
from tests.rtb.builders import make_audio, make_campaign, make_creative, make_native, make_video
from tests.rtb.simple_api.openrtb import to_openrtb
from tests.support import examples

_CREATIVES = (make_creative(), make_video(), make_audio(), make_native())
_RATES = Rates("USD", {"EUR": 0.92, "JPY": 150.1})
_TCF = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"
_ANY = st.text(max_size=12)


def _either(*usual: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(usual)


def _mostly(anything: st.SearchStrategy[Any], *usual: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(usual), anything)


_pixels = _mostly(st.integers(1, 10_000), 300, 250, 640, 360)
_names = st.lists(_mostly(_ANY, "IAB1", "Shop.example", "https://www.shop.example/a", " "), max_size=3)
_codes = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3)

_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "sizes": st.lists(st.tuples(_pixels, _pixels), max_size=3),
    "seconds": st.integers(1, 3_600),
    "publisher": _mostly(_ANY, "", "News.example"),
    "floor": _mostly(st.floats(0, 1e9, exclude_max=True), 0.0, 0.01, 1.5),
    "currency": _either("USD", "EUR", "JPY", "XXX"),
    "first_price": st.booleans(),
    "user": _mostly(_ANY, "", "u-17"),
    "buyer_user": _mostly(_ANY, "", "b-17"),
    "segments": _names,
    "device": _either(None, *DEVICES),
    "os": _mostly(_ANY, "iOS"),
    "ua": _mostly(_ANY, "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0.0.0 Safari/537.36"),
    "ip": _mostly(_ANY, "203.0.113.7", "2001:db8::7"),
    "language": _mostly(_ANY, "en"),
    "geo": _either("", "USA", "usa/ca", "DEU/BE"),
    "block_categories": _names,
    "block_advertisers": _names,
    "block_attributes": _codes,
    "interstitial": st.booleans(),
    "secure": st.booleans(),
    "coppa": st.booleans(),
    "gdpr": _either(None, False, True),
    "consent": _mostly(_ANY, "", _TCF),
    "us_privacy": _mostly(_ANY, "", "1YNN", "1YYN"),
    "gpp": _mostly(_ANY, ""),
    "gpp_sid": _mostly(_codes, [-1], [-1, 7]),
    "limit_tracking": st.booleans(),
    "tmax_ms": _mostly(st.integers(0, 60_000), 0),
    "test": st.booleans(),
}


@st.composite
def flat_requests(draw: st.DrawFn) -> FlatRequest:
    """Any request that the API takes; read from JSON, as it reads it."""
    told = draw(st.fixed_dictionaries({"id": _mostly(_ANY.filter(bool), "slot-1")}, optional=_FIELDS))
    told["format"] = draw(_either("banner", "banner", "video", "audio", "native"))
    if told["format"] == "video" or draw(st.booleans()) or not told.get("sizes"):
        told |= {"w": draw(_pixels), "h": draw(_pixels)}
    place = draw(_either(None, "page", "app"))
    if place is not None:
        told[place] = draw(_mostly(_ANY, "https://News.example:80/today", "com.game.example"))
    return msgspec.json.decode(msgspec.json.encode(told), type=FlatRequest)


def _bidder() -> Bidder:
    campaigns = [make_campaign(f"c{n}", value=20_000_000, creatives=_CREATIVES) for n in range(3)]
    listings = [Listing(n + 1, campaign) for n, campaign in enumerate(campaigns)]
    return Bidder(listings, rates=_RATES, max_imps=64, max_candidates=16)


_EDGE = _bidder().edge


@settings(max_examples=examples(300))
@given(flat_requests())
def test_it_is_prepared_as_the_openrtb_request_is(flat: FlatRequest) -> None:
    try:
        told = _EDGE.prepare(to_openrtb(flat, "USD"))  # which also says that it breaks no rule of the specification
    except InvalidRequest as error:
        assert error.reason == "bad_block"  # an advertiser such as `:`, which neither form can keep out
        with pytest.raises(InvalidRequest, match="names nothing"):
            _EDGE.prepare_object(to_bid_request(flat, "USD"))
        return
    meant = _EDGE.prepare_object(to_bid_request(flat, "USD"))
    assert (meant.id, meant.tmax_ms, meant.reason) == (told.id, told.tmax_ms, told.reason)
    assert meant.impressions == told.impressions
    assert meant.exchange == told.exchange


@settings(max_examples=examples(100))
@given(flat_requests())
def test_its_objects_are_such_as_are_read_from_json(flat: FlatRequest) -> None:
    meant = to_bid_request(flat, "USD")
    assert msgspec.json.decode(msgspec.json.encode(meant), type=type(meant)) == meant


def test_a_request_without_an_id_gets_one_of_its_own() -> None:
    names = {to_bid_request(FlatRequest(w=300, h=250), "USD").id for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith("flat-") for name in names)
