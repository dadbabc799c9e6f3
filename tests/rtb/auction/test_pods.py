"""Dynamic pods: several bids an imp, and what a response says of imps without one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rtb.campaigns.campaign import HeldDeal
from rtb.exchanges import GENERIC, Profile
from rtb.openrtb.protobuf import decode_protobuf
from rtb.targeting.listing import Listing
from simulation.exchange.protobuf import from_message, to_message
from tests.rtb.bidder import Bidder, bids_of
from tests.rtb.builders import make_campaign, make_request, make_video, to_json

_VIDEO = {"mimes": ["video/mp4"], "maxduration": 30, "protocols": [2, 3, 7], "w": 640, "h": 360}


def _bidder(*seconds: float, **options: Any) -> Bidder:
    """Return a bidder with one campaign for each length, the first of which pays most."""
    campaigns = [
        make_campaign(f"c{place}", value=9_000_000 - place * 1_000_000, creatives=(make_video(seconds=length),))
        for place, length in enumerate(seconds)
    ]
    return Bidder([Listing(number, campaign) for number, campaign in enumerate(campaigns, 1)], **options)


def _imp(**video: Any) -> dict[str, Any]:
    return {"id": "1", "video": {**_VIDEO, **video}}


@pytest.mark.parametrize(
    ("video", "winners"),
    [
        ({}, ["c0"]),
        ({"maxseq": 3}, ["c0"]),
        ({"poddur": 60, "maxseq": 1}, ["c0"]),
        ({"poddur": 60, "maxseq": 2}, ["c0", "c1"]),
        ({"poddur": 60, "maxseq": 5}, ["c0", "c1", "c2"]),
        ({"poddur": 35, "maxseq": 5}, ["c0", "c2"]),  # the second does not fit beside the first
        ({"poddur": 20, "maxseq": 5}, ["c0"]),
    ],
)
def test_a_pod_gets_as_many_bids_as_fit(video: dict[str, Any], winners: list[str]) -> None:
    bids = bids_of(_bidder(20, 20, 15).ask(imp=[_imp(**video)]))
    assert [bid["cid"] for bid in bids] == winners
    assert {bid["impid"] for bid in bids} == {"1"}
    assert len({bid["id"] for bid in bids}) == len(bids)


def test_other_imps_beside_a_pod_get_one_bid_each() -> None:
    imps = [_imp(poddur=60, maxseq=2), {**_imp(), "id": "2"}]
    bids = bids_of(_bidder(15, 15).ask(imp=imps))
    assert sorted((bid["impid"], bid["cid"]) for bid in bids) == [("1", "c0"), ("1", "c1"), ("2", "c0")]


def test_a_deal_of_a_pod_is_not_mixed_with_its_open_auction() -> None:
    holder = make_campaign("holder", deals=(HeldDeal(id="d"),), creatives=(make_video(),))
    other = make_campaign("other", creatives=(make_video(),))
    bidder = Bidder([Listing(1, holder), Listing(2, other)])
    imp = {**_imp(poddur=60, maxseq=3), "pmp": {"deals": [{"id": "d"}]}}
    assert [bid["cid"] for bid in bids_of(bidder.ask(imp=[imp]))] == ["holder"]


def test_each_bid_of_a_pod_reserves_its_own_money() -> None:
    bidder = _bidder(15, 15)
    bids = bids_of(bidder.ask(imp=[_imp(poddur=60, maxseq=2)]))
    assert [event.campaign for event in bidder.events] == [1, 2]
    assert len(bids) == 2


_IMPS = [
    {"id": "sold", "banner": {"w": 300, "h": 250}},
    {"id": "no size of ours", "banner": {"w": 1, "h": 1}},
    {"id": "no audio of ours", "audio": {"mimes": ["audio/mpeg"]}},
]


def _response(profile: Profile) -> dict[str, Any]:
    bidder = Bidder([Listing(1, make_campaign())])
    message = to_message(make_request(imp=_IMPS))
    assert decode_protobuf(message).imp[0].id == "sold"
    (answer,) = bidder.answer_prepared([bidder.edge.prepare(message, profile, is_protobuf=True)])
    return from_message(answer.body or b"")


def test_an_exchange_may_be_told_of_imps_without_a_bid() -> None:
    ext = _response(Profile(name="acme", seat_non_bid=True))["ext"]
    told = [{"impid": "no size of ours", "statuscode": 0}, {"impid": "no audio of ours", "statuscode": 202}]
    assert ext == {"seatnonbid": [{"nonbid": told, "seat": "raybid"}]}
    assert "ext" not in _response(GENERIC)


def test_imps_that_are_not_considered_are_told_of_by_their_own_reason() -> None:
    banner = {"banner": {"w": 300, "h": 250}}
    imps: list[dict[str, Any]] = [{"id": str(number), **banner} for number in range(3)]
    imps += [{"id": "deal", **banner, "pmp": {"private_auction": 1, "deals": [{"id": "unknown"}]}}]
    imps += [{"id": "money", **banner, "bidfloor": 1, "bidfloorcur": "XXX"}]
    bidder = Bidder([Listing(1, make_campaign())], max_imps=2)
    profile = Profile(name="acme", seat_non_bid=True)
    (answer,) = bidder.answer_prepared([bidder.edge.prepare(to_json(make_request(imp=imps)), profile)])
    (told,) = json.loads(answer.body or b"")["ext"]["seatnonbid"]
    assert {one["impid"]: one["statuscode"] for one in told["nonbid"]} == {"2": 0, "deal": 0, "money": 0}


def test_a_request_gets_the_same_bid_in_both_forms() -> None:
    bidder = Bidder([Listing(1, make_campaign())])
    (plain,) = bids_of(bidder.answer(to_json(make_request()))[0])
    prepared = bidder.edge.prepare(to_message(make_request()), is_protobuf=True)
    (answer,) = bidder.answer_prepared([prepared])
    (packed,) = from_message(answer.body or b"")["seatbid"][0]["bid"]
    own = {"id", "nurl", "burl", "lurl", "adm"}
    assert {name: value for name, value in packed.items() if name not in own} == {
        name: value for name, value in plain.items() if name not in own
    }
    assert set(packed) == set(plain)
