"""Where the Digital Services Act requires it, a bid says on whose behalf it is, and exactly one side shows that."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from rtb.campaigns.campaign import Advertiser, Targeting
from rtb.campaigns.context_targeting import Circle
from rtb.openrtb import InvalidRequest, NoBid
from rtb.targeting.listing import Listing
from simulation.exchange.rules import judge
from tests.rtb.bidder import Bidder, bids_of
from tests.rtb.builders import make_campaign, make_creative, make_request, make_video, to_json

_VIDEO = {"mimes": ["video/mp4"], "w": 640, "h": 360, "protocols": [2, 3, 7], "minduration": 5, "maxduration": 60}
_BOTH = {"id": "1", "banner": {"w": 300, "h": 250}, "video": _VIDEO}


def _campaign(**fields: Any) -> Any:
    return make_campaign(creatives=(make_creative(), make_video()), **fields)


def _answer(dsa: Any, *, place: str = "ext", campaign: Any = None, imp: Any = None, **fields: Any) -> Any:
    regs = {"ext": {"dsa": dsa}} if place == "ext" else {"dsa": dsa}
    body = to_json(make_request(regs=regs, imp=[imp or {"id": "1", "banner": {"w": 300, "h": 250}}], **fields))
    (answer,) = Bidder([Listing(1, campaign or _campaign())]).answer(body)
    if answer.body is not None:
        judged = judge(json.loads(body), answer.body, {"USD": 1.0})
        assert not [one for one in judged.violations if one.rule in ("dsa", "format", "response")]
    return answer


def _bid(dsa: Any, **fields: Any) -> Any:
    (bid,) = bids_of(_answer(dsa, **fields))
    return bid


@pytest.mark.parametrize("place", ["ext", "regs"])
@pytest.mark.parametrize("required", [1, 2, 3, "3", 7])
def test_the_bid_says_on_whose_behalf_it_is(required: Any, place: str) -> None:
    bid = _bid({"dsarequired": required}, place=place)
    assert bid["ext"] == {"dsa": {"behalf": "shop.example", "paid": "shop.example", "adrender": 0}}
    advertiser = Advertiser(behalf="Shop Ltd", paid="Agency & Co")
    said = _bid({"dsarequired": required}, place=place, campaign=_campaign(advertiser=advertiser))["ext"]["dsa"]
    assert (said["behalf"], said["paid"]) == ("Shop Ltd", "Agency & Co")


@pytest.mark.parametrize("dsa", [{}, [], {"dsarequired": 0}, {"required": 3}, {"pubrender": 0}, None])
def test_nothing_is_said_where_nobody_asks(dsa: Any) -> None:
    assert "ext" not in _bid(dsa)


def test_a_name_has_a_hundred_characters_at_most() -> None:
    campaign = _campaign(adomain=("a" * 200 + ".example",))
    assert len(_bid({"dsarequired": 3}, campaign=campaign)["ext"]["dsa"]["behalf"]) == 100


@pytest.mark.parametrize(("pubrender", "adrender"), [(0, 1), (1, 0), (2, 0), (None, 0), ("0", 1)])
def test_one_side_shows_it(pubrender: Any, adrender: int) -> None:
    advertiser = Advertiser(behalf="<Shop>", paid="Agency & Co")
    bid = _bid({"dsarequired": 2, "pubrender": pubrender}, campaign=_campaign(advertiser=advertiser))
    assert bid["ext"]["dsa"]["adrender"] == adrender
    assert ("Ad by &lt;Shop&gt;, paid for by Agency &amp; Co</div>" in bid["adm"]) is bool(adrender)


def test_where_the_publisher_cannot_show_it_only_banners_are_bid() -> None:
    cannot = {"dsarequired": 3, "pubrender": 0, "datatopub": 2}
    assert _bid(cannot, imp=_BOTH)["mtype"] == 1
    alone = _answer(cannot, imp={"id": "1", "video": _VIDEO})
    assert (alone.body, alone.reason) == (None, NoBid.NO_CREATIVE)
    assert _bid(cannot | {"pubrender": 2}, imp={"id": "1", "video": _VIDEO})["ext"]["dsa"]["adrender"] == 0
    assert _bid(cannot | {"dsarequired": 1}, imp={"id": "1", "video": _VIDEO})["ext"]["dsa"]["adrender"] == 0


@pytest.mark.parametrize(("datatopub", "sent"), [(0, False), (1, True), (2, True), (None, False)])
def test_user_data_that_was_used_is_told_where_asked(datatopub: Any, sent: bool) -> None:
    wanted = {"dsarequired": 3, "datatopub": datatopub}
    assert ("transparency" in _bid(wanted)["ext"]["dsa"]) is sent
    if sent:
        user = {"data": [{"segment": [{"id": "sports"}]}]}
        (plain,) = _bid(wanted)["ext"]["dsa"]["transparency"]
        (profiled,) = _bid(wanted, user=user)["ext"]["dsa"]["transparency"]
        assert plain["dsaparams"] == [2]
        assert profiled == {"domain": plain["domain"], "dsaparams": [1, 2]}
        assert plain["domain"]


@pytest.mark.parametrize("stricter", ["regs", "ext"])
@pytest.mark.parametrize("other", [{}, {"dsarequired": 0}, {"dsarequired": 1}])
def test_of_two_places_the_stricter_counts(stricter: str, other: dict[str, Any]) -> None:
    strict = {"dsarequired": 3, "pubrender": 0}
    regs = {"dsa": strict, "ext": {"dsa": other}} if stricter == "regs" else {"dsa": other, "ext": {"dsa": strict}}
    (bid,) = bids_of(Bidder([Listing(1, _campaign())]).ask(regs=regs))
    assert bid["ext"]["dsa"]["adrender"] == 1


def test_a_precise_place_that_may_have_decided_is_told() -> None:
    campaign = _campaign(targeting=Targeting(within=(Circle(lat=52.5, lon=13.4, km=5),)))
    device = {"geo": {"lat": 52.5, "lon": 13.4}}
    bidder = Bidder([Listing(1, campaign)])
    (bid,) = bids_of(bidder.ask(regs={"dsa": {"dsarequired": 3, "datatopub": 2}}, device=device))
    assert bid["ext"]["dsa"]["transparency"][0]["dsaparams"] == [2, 3]


@pytest.mark.parametrize("dsa", ["x", {"dsarequired": "maybe"}, [1], 3])
def test_what_cannot_be_read_is_refused(dsa: Any) -> None:
    with pytest.raises(InvalidRequest, match="dsa"):
        Bidder([Listing(1, _campaign())]).ask(regs={"ext": {"dsa": dsa}})


def test_an_advertiser_is_named_in_a_hundred_characters() -> None:
    for wrong in ({"behalf": ""}, {"behalf": "a" * 101}, {"paid": "x"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, Advertiser)
