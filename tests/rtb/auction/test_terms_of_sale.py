"""Under which terms an imp is bid on: floors, deals, currencies, blocks, seats, tests."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.campaigns.campaign import Campaign, HeldDeal
from rtb.money.currency import Rates
from rtb.openrtb import InvalidRequest, NoBid
from rtb.settlement.notice_tokens import Kind
from rtb.targeting.listing import Listing
from tests.rtb.bidder import PLENTY, SIGNER, Bidder, bids_of, currency_of
from tests.rtb.builders import make_campaign, make_creative, make_request, make_video, to_json

_BANNER = {"w": 300, "h": 250}
_VIDEO = {"mimes": ["video/mp4"], "minduration": 5, "maxduration": 60, "protocols": [2, 3]}
_RATES = Rates(rates={"EUR": 0.5, "JPY": 150.1})


def _bidder(*campaigns: Campaign, **options: Any) -> Bidder:
    return Bidder([Listing(number, campaign) for number, campaign in enumerate(campaigns, 1)], **options)


def _imp(**fields: Any) -> dict[str, Any]:
    return {"id": "1", "banner": _BANNER, **fields}


def _pmp(*deals: dict[str, Any], private: int = 0) -> dict[str, Any]:
    return {"private_auction": private, "deals": list(deals)}


def _holder(name: str = "holder", **deal: Any) -> Campaign:
    return make_campaign(name, deals=(HeldDeal(id="d", **deal),))


# Deals. A campaign bids 2.00 CPM by value.


def test_a_deal_goes_before_a_higher_open_bid() -> None:
    bidder = _bidder(make_campaign("rich", value=9_000_000), _holder())
    (bid,) = bids_of(bidder.ask(imp=[_imp(pmp=_pmp({"id": "d"}))]))
    assert (bid["cid"], bid["dealid"], bid["price"]) == ("holder", "d", 2.0)


def test_an_imp_gets_one_bid_and_the_open_auction_takes_who_has_no_deal() -> None:
    (bid,) = bids_of(_bidder(make_campaign()).ask(imp=[_imp(pmp=_pmp({"id": "d"}))]))
    assert "dealid" not in bid


@pytest.mark.parametrize(("deals", "reason"), [((), NoBid.NO_DEAL), (({"id": "other"},), NoBid.NO_DEAL)])
def test_a_private_auction_is_for_deals_only(deals: tuple[dict[str, Any], ...], reason: NoBid) -> None:
    answer = _bidder(make_campaign(), _holder()).ask(imp=[_imp(pmp=_pmp(*deals, private=1))])
    assert (answer.body, answer.reason) == (None, reason)
    (bid,) = bids_of(_bidder(make_campaign(), _holder()).ask(imp=[_imp(pmp=_pmp({"id": "d"}, private=1))]))
    assert bid["cid"] == "holder"


@pytest.mark.parametrize(
    ("deal", "imp", "bids"),
    [
        ({"bidfloor": 2.0}, {"bidfloor": 50.0}, True),  # a deal's floor replaces the imp's
        ({"bidfloor": 2.001}, {"bidfloor": 0.0}, False),
        ({}, {"bidfloor": 2.001}, False),  # one that names none leaves it
        ({"bidfloor": 2.0, "bidfloorcur": "EUR"}, {}, False),  # 4.00 of ours
        ({"bidfloor": 1.0, "bidfloorcur": "EUR"}, {"bidfloorcur": "JPY"}, True),
        ({"bidfloor": 2.0}, {"bidfloor": 1.0, "bidfloorcur": "EUR"}, True),  # its currency is not the imp's
        ({"bidfloor": 2.0, "bidfloorcur": "XXX"}, {}, False),
    ],
)
def test_a_deal_has_a_floor_and_a_currency_of_its_own(deal: dict[str, Any], imp: dict[str, Any], bids: bool) -> None:
    bidder = _bidder(_holder(), rates=_RATES)
    assert bool(bids_of(bidder.ask(imp=[_imp(pmp=_pmp({"id": "d", **deal}, private=1), **imp)]))) is bids


@pytest.mark.parametrize(
    ("held", "offered", "price"),
    [
        ({}, {"at": 3, "bidfloor": 1.25}, 1.25),
        ({}, {"at": 3, "bidfloor": 2.5}, None),
        ({}, {"at": 3}, 2.0),
        ({"price_micros": 5_000}, {"bidfloor": 1.0}, 5.0),
        ({"price_micros": 5_000}, {"bidfloor": 5.001}, None),
        ({"price_micros": 5_000}, {"at": 3, "bidfloor": 4.0}, 4.0),
        ({"floor_micros": 2_001}, {}, None),
        ({"floor_micros": 2_000}, {}, 2.0),
        ({}, {"guar": 1, "bidfloor": 7.0}, 7.0),  # whoever has it must bid
        ({}, {"guar": 1}, 2.0),
    ],
)
def test_a_deals_price(held: dict[str, Any], offered: dict[str, Any], price: float | None) -> None:
    answer = _bidder(_holder(**held)).ask(imp=[_imp(pmp=_pmp({"id": "d", **offered}, private=1))])
    assert [bid["price"] for bid in bids_of(answer)] == ([] if price is None else [price])


def test_no_agreement_lifts_the_most_to_bid() -> None:
    campaign = make_campaign(max_bid=4_000, deals=(HeldDeal(id="d", price_micros=5_000),))
    assert not bids_of(_bidder(campaign).ask(imp=[_imp(pmp=_pmp({"id": "d"}, private=1))]))


@pytest.mark.parametrize(
    ("fields", "deal", "bids"),
    [
        ({"wseat": ["raybid"]}, {}, True),
        ({"wseat": ["other"]}, {}, False),
        ({"bseat": ["raybid"]}, {}, False),
        ({"bseat": ["other"]}, {}, True),
        ({}, {"wseat": ["raybid"]}, True),
        ({}, {"wseat": ["other"]}, False),
        ({}, {"wadomain": ["Example"]}, True),
        ({}, {"wadomain": ["https://www.shop.example/"]}, True),
        ({}, {"wadomain": ["rival.example"]}, False),
    ],
)
def test_seats_and_advertisers_that_may_bid(fields: dict[str, Any], deal: dict[str, Any], bids: bool) -> None:
    private = [_imp(pmp=_pmp({"id": "d", **deal}, private=1))]
    assert bool(bids_of(_bidder(_holder()).ask(imp=private, **fields))) is bids
    if not deal:
        assert bool(bids_of(_bidder(make_campaign()).ask(**fields))) is bids


def test_a_deal_may_be_of_another_seat() -> None:
    bidder = _bidder(_holder(seat="desk"))
    (bid,) = bids_of(bidder.ask(imp=[_imp(pmp=_pmp({"id": "d", "wseat": ["desk"]}, private=1))], wseat=["desk"]))
    assert bid["dealid"] == "d"
    assert not bids_of(bidder.ask(wseat=["desk"]))


_deals = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from("abc")},
        optional={
            "bidfloor": st.floats(0, 5),
            "bidfloorcur": st.sampled_from(["USD", "EUR", "JPY", "XXX"]),
            "at": st.sampled_from([1, 2, 3]),
            "guar": st.sampled_from([0, 1]),
            "wseat": st.lists(st.sampled_from(["raybid", "other"]), max_size=2),
        },
    ),
    max_size=3,
    unique_by=lambda deal: deal["id"],
)


@given(
    deals=_deals,
    private=st.sampled_from([0, 1]),
    floor=st.floats(0, 5),
    currency=st.sampled_from(["USD", "EUR", "JPY"]),
    cur=st.lists(st.sampled_from(["USD", "EUR", "JPY", "XXX"]), min_size=1, max_size=2),
)
def test_no_bid_is_below_its_floor_or_under_a_deal_it_has_not(
    deals: list[dict[str, Any]], private: int, floor: float, currency: str, cur: list[str]
) -> None:
    held = {"one": "a", "two": "b"}
    campaigns = [make_campaign(name, deals=(HeldDeal(id=deal),)) for name, deal in held.items()]
    bidder = _bidder(*campaigns, rates=_RATES)
    imp = _imp(pmp=_pmp(*deals, private=private), bidfloor=floor, bidfloorcur=currency)
    answer = bidder.ask(imp=[imp], cur=cur)
    told, bids = currency_of(answer), bids_of(answer)
    assert len(bids) <= 1
    for bid in bids:
        assert told in cur
        deal = next((deal for deal in deals if deal["id"] == bid.get("dealid")), None)
        assert deal is not None or ("dealid" not in bid and not private)
        assert deal is None or held[bid["cid"]] == deal["id"]
        assert deal is None or not deal.get("wseat") or "raybid" in deal["wseat"]
        own: dict[str, Any] = {"bidfloor": floor, "bidfloorcur": currency}
        named = deal if deal is not None and deal.get("bidfloor") else own
        rate = _RATES.rate(named.get("bidfloorcur", "USD"), told)
        assert rate is not None or not named["bidfloor"]
        assert bid["price"] >= named["bidfloor"] * (rate or 0.0) * (1 - 1e-12)


# Floors by length


@pytest.mark.parametrize(
    ("video", "floor", "bids"),
    [
        ({"mincpmpersec": 0.1}, 0.0, True),  # 15 seconds
        ({"mincpmpersec": 0.1334}, 0.0, False),
        ({"mincpmpersec": 0.1}, 50.0, True),
        ({"durfloors": [{"mindur": 10, "maxdur": 20, "bidfloor": 2.001}]}, 0.0, False),
        ({"durfloors": [{"mindur": 16, "bidfloor": 2.001}]}, 0.0, True),
        ({"durfloors": [{"maxdur": 15, "bidfloor": 2.0}]}, 50.0, True),
        ({"durfloors": [{"maxdur": 14, "bidfloor": 0.1}]}, 50.0, False),
    ],
)
def test_a_video_has_floors_by_its_length(video: dict[str, Any], floor: float, bids: bool) -> None:
    bidder = _bidder(make_campaign(creatives=(make_video(seconds=15.0),)))
    assert bool(bids_of(bidder.ask(imp=[{"id": "1", "video": {**_VIDEO, **video}, "bidfloor": floor}]))) is bids


def test_an_imp_of_two_formats_gets_one_bid() -> None:
    bidder = _bidder(make_campaign("v", creatives=(make_video(),)), make_campaign("b", value=3_000_000))
    (bid,) = bids_of(bidder.ask(imp=[_imp(video=_VIDEO)]))
    assert (bid["cid"], bid["mtype"]) == ("b", 1)
    bidder.edge.set_open([1])
    (bid,) = bids_of(bidder.ask(imp=[_imp(video=_VIDEO)]))
    assert (bid["cid"], bid["mtype"], bid["dur"], bid["protocol"]) == ("v", 2, 15, 3)


@pytest.mark.parametrize("floor", [float("nan"), -1.0, 1e9])
@pytest.mark.parametrize("where", ["deal", "length", "second"])
def test_a_floor_that_is_no_price_makes_a_request_invalid(where: str, floor: float) -> None:
    imps = {
        "deal": _imp(pmp=_pmp({"id": "d", "bidfloor": str(floor)})),
        "length": {"id": "1", "video": {**_VIDEO, "durfloors": [{"bidfloor": str(floor)}]}},
        "second": {"id": "1", "video": {**_VIDEO, "mincpmpersec": str(floor)}},
    }
    with pytest.raises(InvalidRequest):
        _bidder(make_campaign()).ask(imp=[imps[where]])


# Currencies


def test_a_bid_in_another_currency_is_held_and_charged_in_ours() -> None:
    bidder = _bidder(make_campaign(), rates=_RATES)
    answer = bidder.ask(cur=["EUR"], imp=[_imp(bidfloor=0.99, bidfloorcur="EUR")])
    (bid,) = bids_of(answer)
    assert (currency_of(answer), bid["price"]) == ("EUR", 1.0)
    ref = SIGNER.read(urlsplit(bid["burl"]).path.rpartition("/")[2], Kind.BILL)
    assert (ref.ceiling_micros, ref.rate) == (2_000, 0.5)
    assert asyncio.run(bidder.ledger.balances([1]))[0].leased == PLENTY
    assert [event.price_micros for event in bidder.events] == [2_000]


@pytest.mark.parametrize(("cur", "told"), [(["XXX"], None), (["GBP", "JPY", "EUR"], "JPY"), (["JPY", "USD"], "USD")])
def test_the_currency_of_an_answer_is_one_the_exchange_takes(cur: list[str], told: str | None) -> None:
    answer = _bidder(make_campaign(), rates=_RATES).ask(cur=cur)
    assert (currency_of(answer) if answer.body else None) == told
    assert answer.body or answer.reason == NoBid.CURRENCY


# Blocks


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"bcat": ["IAB1"]}, NoBid.BLOCKED),
        ({"bcat": [" iab1-2 "]}, NoBid.BLOCKED),
        ({"bcat": ["IAB11"]}, None),
        ({"bcat": ["53"], "cattax": 6}, NoBid.BLOCKED),  # may be ours by another name
        ({"acat": ["IAB1"]}, None),
        ({"acat": ["IAB1-2", "IAB7"]}, None),
        ({"acat": ["IAB1-3"]}, NoBid.BLOCKED),
        ({"acat": ["53"], "cattax": 6}, NoBid.BLOCKED),
        ({"cattax": 6}, None),
        ({"badv": ["shop.example"]}, NoBid.BLOCKED),
        ({"badv": ["example"]}, NoBid.BLOCKED),
        ({"badv": ["http://WWW.Shop.example/sale"]}, NoBid.BLOCKED),
        ({"badv": ["eu.shop.example", "op.example"]}, None),
        ({"badv": "https://a.org,https://shop.example"}, NoBid.BLOCKED),
        ({"badv": ["*"]}, NoBid.BLOCKED),
        ({"badv": ["shop.*"]}, NoBid.BLOCKED),
        ({"badv": ["shopp.*"]}, None),
        ({"bcat": "IAB-1,IAB-22"}, NoBid.BLOCKED),
        ({"bcat": ["IAB*"]}, NoBid.BLOCKED),
        ({"bcat": "IAB-11,IAB-22"}, None),
        ({"acat": "IAB-1,IAB-22"}, None),
        ({"acat": ["*"]}, None),
        ({"wseat": "agency, raybid"}, None),
        ({"bseat": ["agency,raybid"]}, NoBid.BLOCKED),
        ({"bapp": ["https://play.google.com/store/apps/details?id=com.shop"]}, NoBid.BLOCKED),
        ({"bapp": ["Com.Shop"]}, NoBid.BLOCKED),
        ({"bapp": ["com.shop.other"]}, None),
        ({"wlang": ["de", "EN"]}, None),
        ({"wlangb": ["en-GB"]}, None),
        ({"wlang": ["de"]}, NoBid.NO_CREATIVE),
    ],
)
def test_what_a_request_blocks_or_allows(fields: dict[str, Any], reason: NoBid | None) -> None:
    creative = make_creative(language="en")
    campaign = make_campaign(cat=("IAB1-2",), bundle="com.shop", creatives=(creative,))
    answer = _bidder(campaign).ask(**fields)
    assert (None if answer.body else answer.reason) == reason


def test_without_categories_a_campaign_is_not_shown_where_only_some_are_allowed() -> None:
    assert bids_of(_bidder(make_campaign()).ask(bcat=["IAB1"], cattax=6))
    assert not bids_of(_bidder(make_campaign()).ask(acat=["IAB1"]))


@pytest.mark.parametrize(
    ("imp", "shown"),
    [
        ({"banner": {**_BANNER, "battr": [1]}}, "quiet"),
        ({"banner": {**_BANNER, "battr": [2]}}, "loud"),
        ({"banner": {**_BANNER, "battr": [1, 2]}}, None),
        ({"secure": 1}, "quiet"),
        ({"secure": 1, "banner": {**_BANNER, "battr": [2]}}, None),
        ({"banner": {**_BANNER, "btype": [2]}}, None),
    ],
)
def test_a_creative_is_blocked_not_its_campaign(imp: dict[str, Any], shown: str | None) -> None:
    loud = make_creative("loud", attr=(1,), image_url="http://cdn.example/a.png")
    bidder = _bidder(make_campaign(creatives=(loud, make_creative("quiet", attr=(2,)))))
    assert [bid["crid"] for bid in bids_of(bidder.ask(imp=[_imp(**imp)]))] == ([f"spring-{shown}"] if shown else [])


# What a bid says


def test_a_bid_stands_no_longer_than_the_exchange_waits() -> None:
    assert [bid["exp"] for bid in bids_of(_bidder(make_campaign()).ask(imp=[_imp(exp=30)]))] == [30]
    assert [bid["exp"] for bid in bids_of(_bidder(make_campaign()).ask(imp=[_imp(exp=3_600)]))] == [60]


def test_a_bid_says_what_it_advertises() -> None:
    creative = make_creative(language="de", api=(5,), iurl="https://cdn.example/i.png")
    campaign = make_campaign(cat=("53",), cattax=6, bundle="com.shop", creatives=(creative,))
    (bid,) = bids_of(_bidder(campaign).ask(imp=[_imp(banner={**_BANNER, "api": [5]})]))
    assert (bid["cat"], bid["cattax"], bid["bundle"]) == (["53"], 6, "com.shop")
    assert (bid["language"], bid["apis"], bid["iurl"]) == ("de", [5], "https://cdn.example/i.png")


# Tests


def test_a_test_is_bid_on_and_costs_nothing() -> None:
    bidder = _bidder(make_campaign())
    (bid,) = bids_of(bidder.ask(test=1))
    ref = SIGNER.read(urlsplit(bid["burl"]).path.rpartition("/")[2], Kind.BILL)
    assert ref.is_test
    assert not bidder.events
    assert not bidder.stage.drain()
    asyncio.run(bidder.book.shutdown())
    balance = asyncio.run(bidder.ledger.balances([1]))[0]
    assert (balance.available, balance.reserved) == (PLENTY, 0)


def test_a_test_in_a_batch_leaves_the_others_as_they_are() -> None:
    bidder = _bidder(make_campaign(), budget=2_000)
    bodies = [to_json(make_request(id=str(number), test=number % 2)) for number in range(4)]
    answers = bidder.answer(*bodies)
    assert [bool(answer.body) for answer in answers] == [True, True, False, True]
    assert [event.request for event in bidder.events] == ["0"]
