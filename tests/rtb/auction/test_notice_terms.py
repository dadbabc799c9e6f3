"""The terms of a sale in its notices: what is reserved, for how long, of which creative, charged by what."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from rtb.exchanges import Profile, Quirks
from rtb.openrtb import InvalidRequest, NoBid
from rtb.settlement.notice_tokens import BidRef, Kind, creative_number
from rtb.targeting.listing import Listing
from tests.rtb.bidder import SIGNER, Bidder, bids_of
from tests.rtb.builders import MONDAY_NOON, make_campaign, make_creative, make_request, make_video, to_json


def test_tokens_name_the_creative_by_its_id_and_a_click_the_landing_page() -> None:
    creatives = (make_creative("a", (728, 90)), make_creative("b", landing_url="https://b.example/"))
    bidder = Bidder([Listing(3, make_campaign(creatives=creatives))])
    (bid,) = bids_of(bidder.ask())
    bill, click = _ref(bid["burl"], Kind.BILL), _ref(bid["adm"].split('"')[3], Kind.CLICK)
    assert (bill.creative, bill.landing, bill.currency) == (creative_number("b"), "", "USD")
    assert (bill.made, click.landing) == (int(MONDAY_NOON), "https://b.example/")


def _ref(url: str, kind: Kind) -> BidRef:
    return SIGNER.read(urlsplit(url).path.rpartition("/")[2], kind)


def test_a_screen_is_bid_the_price_of_one_and_reserved_for_all() -> None:
    bidder = Bidder([Listing(3, make_campaign(value=253_614_000, max_bid=253_614))])
    (bid,) = bids_of(bidder.ask(**_screen(qty={"multiplier": 30.3}, exp=14_400)))
    ref = _ref(bid["burl"], Kind.BILL)
    assert (bid["price"], ref.ceiling_micros, ref.quantity) == (253.614, 7_684_504, 30.3)
    assert "&qty=${AUCTION_MULTIPLIER}" in bid["burl"]
    assert "&qty=${AUCTION_MULTIPLIER}" in bid["nurl"]
    (event,) = bidder.events
    assert (event.price_micros, event.quantity) == (253_614, 30.3)
    asyncio.run(bidder.book.shutdown())
    (balance,) = asyncio.run(bidder.ledger.balances([3]))
    assert balance.reserved == 7_684_504


@pytest.mark.parametrize(
    ("multiplier", "reserved"), [(1.0, 2_000), (0.25, 500), (2.0004, 4_001), (1e-4, 1), (100_000, 200_000_000)]
)
def test_money_is_reserved_for_any_multiplier(multiplier: float, reserved: int) -> None:
    bidder = Bidder([Listing(3, make_campaign())])
    (bid,) = bids_of(bidder.ask(**_screen(qty={"multiplier": multiplier})))
    assert (bid["price"], _ref(bid["burl"], Kind.BILL).ceiling_micros) == (2.0, reserved)


def test_a_screen_that_the_budget_cannot_pay_gets_no_bid() -> None:
    bidder = Bidder([Listing(3, make_campaign())], budget=10_000)
    assert bids_of(bidder.ask())
    assert bidder.ask(**_screen(qty={"multiplier": 30.3})).reason == NoBid.NO_BUDGET


@pytest.mark.parametrize(
    ("imp", "seconds", "exp"),
    [
        ({"exp": 14_400}, 14_700, 14_400),
        ({"dt": (MONDAY_NOON + 7_200) * 1_000}, 7_500, 7_500),
        ({"dt": (MONDAY_NOON + 7_200) * 1_000, "exp": 60}, 7_500, 60),
        ({"dt": (MONDAY_NOON - 7_200) * 1_000}, 300, 300),
        ({"exp": 10_000_000}, 86_700, 86_700),
        ({}, 300, 300),
    ],
)
def test_notices_of_a_screen_are_honoured_after_it_was_shown(imp: dict[str, Any], seconds: int, exp: int) -> None:
    (bid,) = bids_of(Bidder([Listing(3, make_campaign())]).ask(**_screen(**imp)))
    assert (_ref(bid["burl"], Kind.BILL).expires - int(MONDAY_NOON), bid["exp"]) == (seconds, exp)


def test_money_is_held_for_the_grace_of_the_exchange() -> None:
    bidder = Bidder([Listing(3, make_campaign())])
    request = bidder.edge.prepare(to_json(make_request()), Profile(name="acme", grace_seconds=120))
    (bid,) = bids_of(bidder.answer_prepared([request])[0])
    assert (bid["exp"], _ref(bid["burl"], Kind.BILL).expires) == (60, MONDAY_NOON + 180)
    asyncio.run(bidder.book.shutdown())
    assert asyncio.run(bidder.ledger.reclaim(MONDAY_NOON + 70)) == 0
    assert asyncio.run(bidder.ledger.reclaim(MONDAY_NOON + 190)) == 2_000


@pytest.mark.parametrize(
    "place", [{"site": {"domain": "screens.example"}}, {"site": ..., "app": {"bundle": "com.screens"}}]
)
@pytest.mark.parametrize(
    ("imp", "seconds"),
    [
        ({"dt": (MONDAY_NOON + 7_200) * 1_000}, 7_500),
        ({"dt": str(int(MONDAY_NOON + 7_200) * 1_000)}, 7_500),
        ({"qty": {"multiplier": 12.5}, "exp": 3_600}, 3_900),
    ],
)
def test_a_screen_may_come_as_a_site_or_an_app(place: dict[str, Any], imp: dict[str, Any], seconds: int) -> None:
    fields = {**place, "imp": [{"id": "1", "banner": {"w": 300, "h": 250}, **imp}]}
    (bid,) = bids_of(Bidder([Listing(3, make_campaign())]).ask(**fields))
    assert _ref(bid["burl"], Kind.BILL).expires - int(MONDAY_NOON) == seconds


def _screen(**imp: Any) -> dict[str, Any]:
    return {"site": ..., "dooh": {"id": "screen"}, "imp": [{"id": "1", "banner": {"w": 300, "h": 250}, **imp}]}


@pytest.mark.parametrize("multiplier", [0, -1, 1e9])
def test_a_multiplier_that_is_no_number_of_impressions_is_refused(multiplier: float) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Bidder([Listing(3, make_campaign())]).ask(**_screen(qty={"multiplier": multiplier}))
    assert refused.value.reason == "bad_qty"


def test_a_played_bid_without_a_win_notice_is_charged_by_its_billing_notice() -> None:
    bidder = Bidder([Listing(3, make_campaign(creatives=(make_video(),)))])
    profile = Profile(name="acme", charge_on="win", quirks=Quirks(no_win_notice=("video",)))
    video = {"id": "1", "video": {"mimes": ["video/mp4"], "maxduration": 60, "protocols": [3]}}
    (bid,) = bids_of(*bidder.answer_prepared([bidder.edge.prepare(to_json(make_request(imp=[video])), profile)]))
    assert "nurl" not in bid
    assert _ref(bid["burl"], Kind.BILL).charged_by is Kind.BILL
