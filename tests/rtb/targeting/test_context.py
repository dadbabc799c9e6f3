"""What campaigns target of an impression's content, place, placement and sellers."""

from __future__ import annotations

from typing import Any

import pytest

from rtb.auction.edge import Edge
from rtb.campaigns.campaign import Campaign, Targeting
from rtb.campaigns.context_targeting import Circle, ContentTargeting, SupplyRules
from rtb.exchanges import GENERIC, Profile
from rtb.openrtb import InvalidRequest, NoBid
from rtb.openrtb.supply_chain import Seller
from rtb.sellers import AdsTxt, SellerDirectory
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys
from tests.rtb.builders import make_campaign, make_request, to_json

_SECRET = "a secret of tests, long enough"
_AT = {"lat": 52.51, "lon": 13.41}
_BERLIN = Circle(lat=52.5, lon=13.4, km=5)


def _edge(*campaigns: Campaign) -> Edge:
    edge = Edge(
        signer=Signer(_SECRET),
        users=UserKeys(_SECRET),
        base_url="",
        currency="USD",
        max_imps=8,
        max_candidates=8,
    )
    edge.set_catalog([Listing(number + 1, one) for number, one in enumerate(campaigns)])
    return edge


def _reason(edge: Edge, exchange: Profile = GENERIC, **fields: Any) -> NoBid | None:
    """Return why a request has no candidate; `None` where it has one."""
    prepared = edge.prepare(to_json(make_request(**fields)), exchange)
    if not prepared.impressions:
        return prepared.reason
    found = edge.assemble([prepared]).candidates
    return None if len(found) else found.reasons[0]


def _is_met(fields: dict[str, Any], **targeting: Any) -> bool:
    return _reason(_edge(make_campaign(targeting=Targeting(**targeting))), **fields) is None


def _geo(**fields: Any) -> dict[str, Any]:
    return {"device": {"geo": {"country": "USA", **fields}}}


def _site(**fields: Any) -> dict[str, Any]:
    return {"site": {"domain": "news.example", **fields}}


def _content(**fields: Any) -> dict[str, Any]:
    return _site(content=fields)


def _imp(**fields: Any) -> dict[str, Any]:
    return {"imp": [{"id": "1", "banner": {"w": 300, "h": 250}, **fields}]}


def _chain(complete: int, *nodes: tuple[str, str]) -> dict[str, Any]:
    return {"complete": complete, "ver": "1.0", "nodes": [{"asi": asi, "sid": sid, "hp": 1} for asi, sid in nodes]}


@pytest.mark.parametrize(
    ("fields", "is_met"),
    [
        (_geo(**_AT), True),
        (_geo(lat=52.6, lon=13.41), False),
        (_geo(**_AT, accuracy=100), True),
        (_geo(**_AT, accuracy=20_000), False),
        (_geo(lat=52.51), False),
        (_geo(lat=0, lon=0), False),
        (_geo(lat=520, lon=13.4), False),
        (_geo(), False),
        ({**_geo(**_AT), "regs": {"coppa": 1}}, False),
        ({"device": {"geo": {"country": "USA", **_AT}, "lmt": 1}}, False),
    ],
)
def test_circles(fields: dict[str, Any], is_met: bool) -> None:
    assert _is_met(fields, within=(_BERLIN,)) == is_met


@pytest.mark.parametrize(
    ("circle", "place", "is_met"),
    [
        (Circle(lat=90, lon=0, km=5), {"lat": 89.99, "lon": 170}, True),
        (Circle(lat=90, lon=0, km=5), {"lat": 90, "lon": -180}, True),
        (Circle(lat=-90, lon=0, km=5), {"lat": -89.9, "lon": 0}, False),
        (Circle(lat=0, lon=180, km=5), {"lat": 0, "lon": -180}, True),
        (Circle(lat=0, lon=0, km=20_037), {"lat": 0.001, "lon": 180}, True),
        (Circle(lat=52.5, lon=13.4, km=5), {"lat": "52.5", "lon": "13.4"}, True),
        (Circle(lat=52.5, lon=13.4, km=5), {"lat": "nan", "lon": "13.4"}, False),
        (Circle(lat=52.5, lon=13.4, km=5), {"lat": 52.5, "lon": 373.4}, False),
    ],
)
def test_circles_at_the_ends_of_the_earth(circle: Circle, place: dict[str, Any], is_met: bool) -> None:
    assert _is_met(_geo(**place), within=(circle,)) == is_met


def test_a_circle_spans_the_date_line() -> None:
    assert _is_met(_geo(lat=0.01, lon=-179.99), within=(Circle(lat=0, lon=179.99, km=5),))


@pytest.mark.parametrize(
    ("fields", "targeting", "is_met"),
    [
        (_geo(zip="10001-1234"), {"zips": ("USA/10001",)}, True),
        (_geo(zip="10001", country="us"), {"zips": ("USA/10001",)}, True),
        (_geo(zip="10001"), {"zips": ("us/10001",)}, True),
        (_geo(zip="10002"), {"zips": ("usa/10001",)}, False),
        ({**_geo(zip="10001"), "regs": {"coppa": 1}}, {"zips": ("USA/10001",)}, False),
        (_geo(metro="501"), {"metros": ("501",)}, True),
        ({"device": {"language": "pt_BR"}}, {"languages": ("pt",)}, True),
        ({"device": {"langb": "pt-BR"}}, {"languages": ("pt-BR",)}, True),
        ({"device": {"language": "de"}}, {"languages": ("pt",)}, False),
        ({"device": {"carrier": "VERIZON"}}, {"carriers": ("Verizon",)}, True),
        ({"device": {"connectiontype": 2}}, {"connection_types": (2,)}, True),
        (_site(cat=["IAB7-1"]), {"categories": ("IAB7",)}, True),
        (_site(pagecat=["iab-7"]), {"categories": ("IAB7",)}, True),
        (_site(cat=["IAB7"]), {"categories": ("IAB7-1",)}, False),
        (_site(cat=["IAB7"], cattax=6), {"categories": ("IAB7",)}, False),
        (_content(cat=["IAB7"]), {"categories": ("IAB7",)}, True),
        (_site(sectioncat=["IAB7-2"]), {"exclude_categories": ("IAB7",)}, False),
        (_site(sectioncat=["IAB8"]), {"exclude_categories": ("IAB7",)}, True),
        (_site(keywords="Sport, NEWS"), {"keywords": ("news",)}, True),
        (_site(kwarray=["news"]), {"keywords": ("news",)}, True),
        (_site(keywords="war,news"), {"keywords": ("news",), "exclude_keywords": ("War",)}, False),
        (_content(genre="Drama, comedy"), {"content": ContentTargeting(genres=("Comedy",))}, True),
        (_content(genres=["comedy"]), {"content": ContentTargeting(genres=("Comedy",))}, True),
        (_content(contentrating="TV-MA"), {"content": ContentTargeting(ratings=("tv-ma",))}, True),
        (_content(qagmediarating=1), {"content": ContentTargeting(ratings=("qag:1",))}, True),
        (_content(language="en"), {"content": ContentTargeting(languages=("en",))}, True),
        (_content(series="The Show"), {"content": ContentTargeting(series=("the show",))}, True),
        (_content(livestream=1), {"content": ContentTargeting(livestream=False)}, False),
        (_site(), {"content": ContentTargeting(livestream=False)}, True),
        (_content(channel={"domain": "C.example"}), {"content": ContentTargeting(channels=("c.example",))}, True),
        (_content(ext={"channel": "HBO"}), {"content": ContentTargeting(channels=("hbo",))}, True),
        (_content(ext={"network": {"name": "N"}}), {"content": ContentTargeting(networks=("n",))}, True),
        (_content(channel={"id": "x"}), {"content": ContentTargeting(exclude_channels=("X",))}, False),
        (_content(data=[{"segment": [{"id": "s"}]}]), {"content": ContentTargeting(segments=("s",))}, True),
        ({"site": ..., "dooh": {"id": "1", "venuetype": ["transit"]}}, {"venues": ("transit",)}, True),
        (
            {"site": ..., "dooh": {"id": "1", "venuetype": ["transit"], "venuetypetax": 2}},
            {"venues": ("transit",)},
            False,
        ),
        (
            _imp(ext={"skadn": {"skadnetlist": {"max": 5, "addl": ["A.skadnetwork"]}}}),
            {"skadnetworks": ("a.skadnetwork",)},
            True,
        ),
        (_imp(ext={"rewarded": 1}), {"rewarded": True}, True),
        (_imp(rwdd=1), {"rewarded": True}, True),
        (_imp(ext={"prebid": {"is_rewarded_inventory": 1}}), {"rewarded": True}, True),
        (_imp(rwdd=1), {"rewarded": False}, False),
        (_imp(), {"rewarded": False}, True),
        (_imp(refresh={"refsettings": [{"minint": 15}]}), {"refreshed": False}, False),
        (_imp(refresh={"refsettings": [{"minint": 15}]}), {"min_refresh_seconds": 30}, False),
        (_imp(refresh={"refsettings": [{"minint": 60}]}), {"min_refresh_seconds": 30}, True),
        (_imp(), {"min_refresh_seconds": 30}, True),
        (_imp(metric=[{"type": "viewability", "value": 0.7}]), {"min_viewability": 0.6}, True),
        (_imp(metric=[{"type": "Viewability", "value": 70}]), {"min_viewability": 0.6}, True),
        (_imp(metric=[{"type": "viewability", "value": 0.5}]), {"min_viewability": 0.6}, False),
        (_imp(metric=[{"type": "click", "value": 0.7}]), {"min_viewability": 0.6}, False),
        (_imp(ext={"skadn": {"skadnetids": ["A.skadnetwork"]}}), {"skadnetworks": ("a.skadnetwork",)}, True),
        (_imp(), {"skadnetworks": ("a.skadnetwork",)}, False),
    ],
)
def test_what_is_targeted(fields: dict[str, Any], targeting: dict[str, Any], is_met: bool) -> None:
    assert _is_met(fields, **targeting) == is_met


@pytest.mark.parametrize("place", ["source", "ext"])
@pytest.mark.parametrize(
    ("chain", "rules", "reason"),
    [
        (_chain(1, ("a.example", "1")), SupplyRules(complete_chain=True), None),
        (_chain(0, ("a.example", "1")), SupplyRules(complete_chain=True), NoBid.INCOMPLETE_CHAIN),
        (_chain(1), SupplyRules(complete_chain=True), NoBid.INCOMPLETE_CHAIN),
        (_chain(1, ("a.example", "")), SupplyRules(complete_chain=True), NoBid.INCOMPLETE_CHAIN),
        ("none", SupplyRules(complete_chain=True), NoBid.INCOMPLETE_CHAIN),
        (_chain(1, ("a.example", "1"), ("b.example", "2")), SupplyRules(max_nodes=2), None),
        (_chain(1, ("a.example", "1"), ("b.example", "2")), SupplyRules(max_nodes=1), NoBid.BLOCKED_SELLER),
        (_chain(0, ("A.example", "1")), SupplyRules(exclude_sellers=("a.example",)), NoBid.BLOCKED_SELLER),
        (_chain(0, ("https://www.A.example/", "1")), SupplyRules(exclude_sellers=("a.example",)), NoBid.BLOCKED_SELLER),
        (_chain(0, ("a.example.", " 1 ")), SupplyRules(exclude_sellers=("www.A.example/1",)), NoBid.BLOCKED_SELLER),
        (_chain(1, ("a.example", "1"), ("a.example", "1")), SupplyRules(max_nodes=2, complete_chain=True), None),
        (_chain(1, ("a.example", "1"), (" ", "1")), SupplyRules(complete_chain=True), NoBid.INCOMPLETE_CHAIN),
        (_chain(0, ("a.example", "1")), SupplyRules(exclude_sellers=("a.example/1",)), NoBid.BLOCKED_SELLER),
        (_chain(0, ("a.example", "1")), SupplyRules(exclude_sellers=("a.example/2",)), None),
    ],
)
def test_rules_about_sellers(place: str, chain: Any, rules: SupplyRules, reason: NoBid | None) -> None:
    source = {"schain": chain} if place == "source" else {"ext": {"schain": chain}}
    assert _reason(_edge(make_campaign(supply=rules)), source=source) == reason


@pytest.mark.parametrize("empty", [{}, {"complete": 1, "nodes": []}, []])
def test_an_empty_chain_hides_none_in_the_other_place(empty: Any) -> None:
    source = {"schain": empty, "ext": {"schain": _chain(1, ("a.example", "1"))}}
    assert _reason(_edge(make_campaign(supply=SupplyRules(complete_chain=True))), source=source) is None


def test_a_chain_of_too_many_sellers_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="nodes"):
        _reason(_edge(make_campaign()), source={"schain": _chain(1, *(("a.example", "1"),) * 65)})


def test_a_campaign_without_rules_bids_where_another_may_not() -> None:
    edge = _edge(make_campaign("strict", supply=SupplyRules(complete_chain=True)), make_campaign("other"))
    assert _reason(edge) is None


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        (Profile(name="strict", complete_chain=True), NoBid.INCOMPLETE_CHAIN),
        (Profile(name="strict", blocked_sellers=("a.example",)), NoBid.BLOCKED_SELLER),
        (Profile(name="strict", blocked_sellers=("WWW.A.example",)), NoBid.BLOCKED_SELLER),
        (Profile(name="strict", blocked_sellers=("A.example/1",)), NoBid.BLOCKED_SELLER),
        (Profile(name="strict", blocked_sellers=("a.example/2",)), None),
    ],
)
def test_an_exchange_may_have_rules_about_sellers(profile: Profile, reason: NoBid | None) -> None:
    source = {"schain": _chain(0, ("a.example", "1"))}
    assert _reason(_edge(make_campaign()), profile, source=source) == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"source": {"schain": _chain(1, ("a.example", "1"))}}, None),
        ({"source": {"schain": _chain(1, ("a.example", "2"))}}, NoBid.SELLER_UNAUTHORISED),
        ({"site": {"domain": "sale.news.example", "publisher": {"id": "1"}}}, None),
        ({"site": {"domain": "news.example", "publisher": {"id": "3"}}}, NoBid.SELLER_UNAUTHORISED),
        ({"site": {"domain": "other.example", "publisher": {"id": "1"}}}, NoBid.SELLER_UNKNOWN),
        ({"site": {"domain": "x.example", "inventorypartnerdomain": "news.example", "publisher": {"id": "1"}}}, None),
        (
            {
                "site": {
                    "domain": "x.example",
                    "ext": {"inventorypartnerdomain": "news.example"},
                    "publisher": {"id": "1"},
                }
            },
            None,
        ),
        ({"site": {"domain": "null", "page": "https://www.news.example/a", "publisher": {"id": "1"}}}, None),
        ({"site": ..., "app": {"bundle": "com.example", "publisher": {"id": "1"}}}, None),
        ({"site": ..., "app": {"bundle": "com.other", "publisher": {"id": "1"}}}, NoBid.SELLER_UNKNOWN),
        ({}, NoBid.SELLER_UNKNOWN),
    ],
)
def test_only_authorised_sellers(fields: dict[str, Any], reason: NoBid | None) -> None:
    edge = _edge(make_campaign(supply=SupplyRules(authorised=True)))
    listed = AdsTxt(frozenset({Seller("a.example", "1")}))
    edge.set_sellers(SellerDirectory(ads_txt={"news.example": listed}, app_ads_txt={"com.example": listed}))
    assert _reason(edge, Profile(name="a", seller_domain="a.example"), **fields) == reason


def test_an_unreadable_description_is_as_good_as_none() -> None:
    fields = {**_content(channel=5), **_imp(metric=[{"value": {}}], ext=[]), "source": {"schain": {"complete": "x"}}}
    assert _is_met(fields)
