"""What of a request becomes an impression, and why nothing does."""

from __future__ import annotations

from typing import Any

import pytest

from rtb.inventory.floors import Floors
from rtb.inventory.impression import Impression, hour_of_week, impressions_of
from rtb.openrtb import NoBid, decode_request
from tests.rtb.builders import MONDAY_NOON, make_request, to_json

_BANNER = {"w": 300, "h": 250}


def _read(limit: int = 10, **fields: Any) -> tuple[list[Impression], NoBid]:
    return impressions_of(decode_request(to_json(make_request(**fields))), 12, "USD", limit)


def _one(**fields: Any) -> Impression:
    found, _ = _read(**fields)
    assert len(found) == 1
    return found[0]


def _imp(**fields: Any) -> Impression:
    return _one(imp=[{"id": "1", "banner": _BANNER, **fields}])


@pytest.mark.parametrize(
    ("seconds", "hour"), [(-12 * 3600, 0), (-12 * 3600 - 1, 167), (0, 12), (3599, 12), (3600, 13), (24 * 3600, 36)]
)
def test_week_begins_on_monday_at_midnight_utc(seconds: int, hour: int) -> None:
    assert hour_of_week(MONDAY_NOON + seconds) == hour


@pytest.mark.parametrize(
    ("banner", "sizes"),
    [
        ({"w": 300, "h": 250}, ((300, 250),)),
        ({"format": [{"w": 728, "h": 90}, {"w": 300, "h": 250}]}, ((728, 90), (300, 250))),
        ({"w": 300, "h": 250, "format": [{"w": 728, "h": 90}]}, ((728, 90), (300, 250))),
        ({"w": 728, "h": 90, "format": [{"w": 728, "h": 90}]}, ((728, 90),)),
        ({"w": 300, "h": 250, "format": [{"w": 728}, {"h": 90}, {}]}, ((300, 250),)),
    ],
)
def test_sizes_are_in_the_exchanges_order(banner: dict[str, Any], sizes: tuple[tuple[int, int], ...]) -> None:
    assert _imp(banner=banner).sizes == sizes


@pytest.mark.parametrize(
    "imp",
    [{"video": {"mimes": ["video/mp4"]}}, {"native": {"request": '{"assets":[{"id":1,"title":{"len":25}}]}'}}],
)
def test_an_imp_of_formats_that_nobody_has_creatives_of_is_left_out(imp: dict[str, Any]) -> None:
    def read(*imps: dict[str, Any]) -> tuple[list[Impression], NoBid]:
        request = decode_request(to_json(make_request(imp=list(imps))))
        return impressions_of(request, 12, "USD", 10, kinds=frozenset({"banner"}))

    assert read({"id": "1", **imp}) == ([], NoBid.NO_CREATIVE)
    found, _ = read({"id": "1", **imp}, {"id": "2", "banner": _BANNER})
    assert [impression.imp_id for impression in found] == ["2"]


def test_open_auction_beside_deals_is_bid_on() -> None:
    assert _imp(pmp={"private_auction": 0, "deals": [{"id": "d"}]}).imp_id == "1"


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"cur": ["EUR"]}, 0),
        ({"cur": ["EUR", "USD"]}, 1),
        ({"cur": []}, 1),
        ({"imp": [{"id": "1", "banner": _BANNER, "bidfloor": 1, "bidfloorcur": "EUR"}]}, 0),
        ({"imp": [{"id": "1", "banner": _BANNER, "bidfloor": 0, "bidfloorcur": "EUR"}]}, 1),
        ({"imp": [{"id": "1", "banner": _BANNER, "bidfloor": 1, "bidfloorcur": "USD"}]}, 1),
    ],
)
def test_other_currency_is_not_bid_in(fields: dict[str, Any], found: int) -> None:
    impressions, reason = _read(**fields)
    assert len(impressions) == found
    assert found or reason == NoBid.CURRENCY


def test_no_more_imps_are_looked_at_than_the_limit() -> None:
    found, _ = _read(limit=3, imp=[{"id": str(number), "banner": _BANNER} for number in range(5)])
    assert [impression.imp_id for impression in found] == ["0", "1", "2"]


@pytest.mark.parametrize(("at", "first"), [(1, True), (2, False), (3, False), (..., False)])
def test_first_price_is_what_the_request_says(at: Any, first: bool) -> None:
    assert _one(at=at).first_price is first


def test_impression_says_its_floor_position_and_blocked_attributes() -> None:
    impression = _imp(banner={**_BANNER, "pos": 3, "battr": [1, 8]}, bidfloor=1.5)
    assert (impression.floors, impression.pos, impression.slot.battr) == (Floors(1.5), 3, frozenset({1, 8}))


@pytest.mark.parametrize(
    ("fields", "inventory", "publisher"),
    [
        ({"site": {"domain": "News.Example"}}, "site", "news.example"),
        ({"site": {"publisher": {"domain": "pub.example"}}}, "site", "pub.example"),
        ({"site": {"id": "S1"}}, "site", "s1"),
        ({"site": {}}, "site", ""),
        ({"site": ..., "app": {"bundle": "com.Example.App", "domain": "a.example"}}, "app", "com.example.app"),
        ({"site": ..., "app": {"domain": "a.example"}}, "app", "a.example"),
        ({"site": ..., "dooh": {"domain": "screens.example"}}, "dooh", "screens.example"),
        ({"site": ...}, "", ""),
    ],
)
def test_publisher_is_the_best_name_there_is(fields: dict[str, Any], inventory: str, publisher: str) -> None:
    audience = _one(**fields).audience
    assert (audience.inventory, audience.publisher) == (inventory, publisher)


@pytest.mark.parametrize(
    ("device", "read"),
    [
        ({"geo": {"country": "usa", "region": "ca"}, "os": "iOS", "devicetype": 4}, ("USA", "USA/CA", 4, "ios")),
        ({"geo": {"country": "DEU"}}, ("DEU", "", 0, "")),
        ({"geo": {"region": "CA"}}, ("", "", 0, "")),
        ({}, ("", "", 0, "")),
        (..., ("", "", 0, "")),
    ],
)
def test_device_and_place_are_read_in_one_case(device: Any, read: tuple[str, str, int, str]) -> None:
    audience = _one(device=device).audience
    assert (audience.country, audience.region, audience.devicetype, audience.os) == read


def test_segments_are_sorted_and_each_there_once() -> None:
    user = {"data": [{"segment": [{"id": "b"}, {"id": "a"}, {}]}, {}, {"segment": [{"id": "b"}, {"id": ""}]}]}
    assert _one(user=user).audience.segments == ("a", "b")


def test_segments_are_forgotten_where_privacy_forbids_them() -> None:
    user = {"data": [{"segment": [{"id": "a"}]}]}
    assert _one(user=user, regs={"coppa": 1}).audience.segments == ()


@pytest.mark.parametrize(
    ("user", "read"),
    [
        ({"id": "u", "buyeruid": "b"}, "buyer:b"),
        ({"id": "u"}, "exchange:u"),
        ({"id": ""}, ""),
        ({}, ""),
        (..., ""),
    ],
)
def test_user_is_known_by_our_own_id_first(user: Any, read: str) -> None:
    assert _one(user=user).audience.user == read


@pytest.mark.parametrize("signals", [{"regs": {"coppa": 1}}, {"regs": {"gdpr": 1}}, {"device": {"lmt": 1}}])
def test_user_is_nobody_where_privacy_forbids(signals: dict[str, Any]) -> None:
    assert _one(user={"id": "u", "buyeruid": "b"}, **signals).audience.user == ""


@pytest.mark.parametrize(("fields", "interstitial"), [({}, False), ({"instl": 0}, False), ({"instl": 1}, True)])
def test_interstitial_is_what_the_imp_says(fields: dict[str, Any], interstitial: bool) -> None:
    assert _imp(**fields).slot.instl is interstitial


def test_blocks_of_the_request_are_keys() -> None:
    restrictions = _one(bcat=["IAB7", "iab1-2"], badv=["Rival.Example"], bapp=["com.Rival"]).audience.restrictions
    assert restrictions.blocked == ("cat:IAB7", "cat:IAB1-2", "adv:rival.example", "app:com.rival")
    assert restrictions.taxonomy == 1
