"""What the two Prebid Servers send, with the right answers as data: `data/prebid_server.jsonl`, a case a line.

    subject, name, why   what it is about, and the rule that it holds the bidder to
    server               profile of the caller
    request              as the server sends it
    rates                false: there is no table of rates; else a dollar is 0.5 euros and 100 yen
    campaigns            `rewarded`: one that runs only where users are rewarded; else one of each format
    expect               `bids` with `cur`; or `nobid`: the reason, or any; or `status` 400 and its `reason`

A bid is expected at its price, valid for `exp`, and its notices are `honoured` so many seconds; `in_markup` says that
its markup holds the billing address.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from rtb.campaigns.campaign import Campaign, Targeting
from rtb.exchanges import load
from rtb.money.currency import NO_RATES
from rtb.openrtb import InvalidRequest
from rtb.settlement.notice_tokens import BidRef, Kind
from rtb.targeting.listing import Listing
from tests.rtb.auction_cases import RATES
from tests.rtb.bidder import SIGNER, Bidder
from tests.rtb.builders import MONDAY_NOON, make_campaign
from verification.prebid_server.auctions import campaigns

_FILE = Path(__file__).parent / "data" / "prebid_server.jsonl"
_CASES = [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]
_PROFILES = {profile.name: profile for profile in load()}


def _sold(case: dict[str, Any]) -> list[Campaign]:
    if case.get("campaigns") == "rewarded":
        return [make_campaign("rewarded", targeting=Targeting(rewarded=True))]
    return [replace(one, cat=("IAB1",)) for one in campaigns()]


def _ref(url: str, kind: Kind) -> BidRef:
    return SIGNER.read(urlsplit(url).path.rpartition("/")[2], kind)


def test_there_are_many_of_each_subject() -> None:
    assert len(_CASES) >= 80
    assert len({(case["subject"], case["name"]) for case in _CASES}) == len(_CASES)
    by_server = Counter((case["server"], case["subject"]) for case in _CASES)
    subjects = {case["subject"] for case in _CASES}
    assert all(by_server[server, subject] for server in ("prebid_server", "prebid_server_java") for subject in subjects)


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case['subject']}: {case['name']}")
def test_request(case: dict[str, Any]) -> None:
    listings = [Listing(number, campaign) for number, campaign in enumerate(_sold(case), 1)]
    bidder = Bidder(listings, rates=RATES if case.get("rates", True) else NO_RATES)
    expect, body = case["expect"], json.dumps(case["request"]).encode()
    profile = _PROFILES[case["server"]]
    if "status" in expect:
        with pytest.raises(InvalidRequest) as refusal:
            bidder.edge.prepare(body, profile)
        assert refusal.value.reason == expect["reason"], case["why"]
        return
    prepared = bidder.edge.prepare(body, profile)
    (answer,) = bidder.answer_prepared([prepared])
    if "nobid" in expect:
        reason = (prepared.reason if not prepared.impressions else answer.reason).name
        assert answer.body is None, case["why"]
        assert expect["nobid"] in ("any", reason), case["why"]
        return
    assert answer.body is not None, f"{answer.reason.name}: {case['why']}"
    told = json.loads(answer.body)
    assert told["cur"] == expect["cur"], case["why"]
    bids = {bid["impid"]: bid for seat in told["seatbid"] for bid in seat["bid"]}
    assert sorted(bids) == sorted(one["impid"] for one in expect["bids"]), case["why"]
    for wanted in expect["bids"]:
        _check(bids[wanted["impid"]], wanted, case["why"])


def _check(bid: dict[str, Any], wanted: dict[str, Any], why: str) -> None:
    for name in ("mtype", "price", "exp", "dur"):
        assert name not in wanted or bid[name] == wanted[name], f"{name}: {why}"
    ref = _ref(bid["burl"], Kind.BILL)
    assert ref.signed_price, why
    assert ref.expires - int(MONDAY_NOON) == wanted["honoured"], why
    assert ref.ceiling_micros == round(bid["price"] * 1_000 / ref.rate), why
    assert not [name for name in ("nurl", "burl", "adm") if "${AUCTION_PRICE" in bid.get(name, "")], why
    if "in_markup" in wanted:
        assert (bid["burl"] in bid["adm"]) == wanted["in_markup"], why
    assert ("nurl" in bid) == (bid["mtype"] in (1, 4)), why
    assert ("dsa" in bid.get("ext", {})) == wanted.get("has_dsa", False), why
