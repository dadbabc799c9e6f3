"""Auctions as data, through every stage in process; what is answered is judged by the exchange's rules as well."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from rtb.openrtb import InvalidRequest, NoBid
from rtb.settlement.notice_tokens import Kind
from simulation.exchange.rules import judge
from tests.rtb.auction_cases import RATES, Case, read_cases
from tests.rtb.bidder import SIGNER, Bidder

_CASES = list(read_cases())
_DOLLAR = {"USD": 1.0, **RATES.rates}


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case.subject}: {case.name}")
def test_auction(case: Case) -> None:
    bidder = Bidder(case.listings, rates=RATES, max_imps=64, max_candidates=16)
    if "status" in case.expect:
        with pytest.raises(InvalidRequest) as refusal:
            bidder.answer(case.body)
        assert case.expect.get("reason") in (None, refusal.value.reason), case.why
        return
    (answer,) = bidder.answer(case.body)
    if "nobid" in case.expect:
        _check_no_bid(answer.body, answer.reason, case)
        return
    assert answer.body is not None, f"{answer.reason.name}: {case.why}"
    told = json.loads(answer.body)
    assert told.get("cur", "USD") == case.expect.get("cur", "USD"), case.why
    bids = [{**bid, "seat": seat["seat"]} for seat in told["seatbid"] for bid in seat["bid"]]
    _check_bids(bids, case)
    if "user" in case.expect:
        assert [_knows_user(bid) for bid in bids] == [case.expect["user"]] * len(bids), case.why
    assert judge(json.loads(case.body), answer.body, _DOLLAR).violations == []


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(_CASES) >= 150
    assert len({(case.subject, case.name) for case in _CASES}) == len(_CASES)
    assert all(case.why for case in _CASES)


def _check_no_bid(body: bytes | None, reason: NoBid, case: Case) -> None:
    assert body is None, case.why
    wanted = case.expect["nobid"]
    names = wanted if isinstance(wanted, list) else [wanted]
    assert wanted == "any" or reason.name in names, case.why


def _check_bids(bids: list[dict[str, Any]], case: Case) -> None:
    by_imp = sorted(bids, key=lambda bid: str(bid["impid"]))
    assert len(by_imp) == len(case.expect["bids"]), case.why
    for bid, wanted in zip(by_imp, case.expect["bids"], strict=True):
        for name, value in wanted.items():
            assert _is(bid.get(name), value), f"{name} is {bid.get(name)!r}: {case.why}"


def _is(found: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(found == wanted)
    checks = {
        "$absent": lambda flag: (found is None) == flag,
        "$contains": lambda text: text in (found or ""),
        "$at_least": lambda least: found is not None and found >= least,
        "$at_most": lambda most: found is not None and found <= most,
    }
    return all(checks[name](value) for name, value in wanted.items())


def _knows_user(bid: dict[str, Any]) -> bool:
    token = urlsplit(bid["burl"]).path.rpartition("/")[2]
    return SIGNER.read(token, Kind.BILL).user != 0
