"""Each rule an answer is judged by: it lets a good answer pass, and sees the one thing that is wrong with a bad one."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from simulation.exchange.rules import RULES, judge
from simulation.exchange.rules.possible import REASONS, BidderCreatives, impossible
from tests.rtb.auction_cases import RATES, merge, read_cases
from tests.rtb.bidder import Bidder

_RATES = {"USD": 1.0, **RATES.rates}
_GOOD = {
    kind: next(case for case in read_cases() if (case.subject, case.name) == name)
    for kind, name in {
        "banner": ("banner", "w and h"),
        "video": ("video", "a video"),
        "audio": ("audio", "a sound"),
        "native": ("native", "a title"),
    }.items()
}


def _exchange(kind: str, request: dict[str, Any], bid: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Build a good auction's request and answer, with their one imp and bid patched."""
    case = _GOOD[kind]
    (answer,) = Bidder(case.listings, rates=RATES, max_imps=64, max_candidates=16).answer(case.body)
    sent, told = json.loads(case.body), json.loads(answer.body or b"")
    (imp,), (seat,) = sent["imp"], told["seatbid"]
    sent = merge(sent, {name: value for name, value in request.items() if name != "imp"})
    sent["imp"] = [merge(imp, request.get("imp", {}))]
    seat["bid"] = [merge(one, bid) for one in seat["bid"]]
    return sent, told


def _broken(sent: dict[str, Any], told: dict[str, Any]) -> set[str]:
    return {rule for rule, _ in judge(sent, json.dumps(told).encode(), _RATES).violations}


@pytest.mark.parametrize("kind", _GOOD)
def test_a_good_answer_breaks_no_rule(kind: str) -> None:
    assert _broken(*_exchange(kind, {}, {})) == set()


@pytest.mark.parametrize(
    ("kind", "request_", "bid", "rule"),
    [
        ("banner", {"imp": {"bidfloor": 2.1}}, {}, "floor"),
        ("banner", {"imp": {"bidfloor": 1.1, "bidfloorcur": "EUR"}}, {}, "floor"),
        ("banner", {"imp": {"bidfloor": 1, "bidfloorcur": "XAU"}}, {}, "floor"),
        ("banner", {}, {"price": 0}, "floor"),
        ("banner", {}, {"price": "cheap"}, "floor"),
        ("banner", {"imp": {"pmp": {"deals": [{"id": "d", "bidfloor": 3}]}}}, {"dealid": "d"}, "floor"),
        ("video", {"imp": {"video": {"mincpmpersec": 0.2}}}, {}, "floor"),
        ("video", {"imp": {"video": {"durfloors": [{"mindur": 15, "bidfloor": 3}]}}}, {}, "floor"),
        ("banner", {"cur": ["EUR"]}, {}, "currency"),
        ("banner", {"bcat": ["IAB22"]}, {}, "block"),
        ("banner", {"acat": ["IAB3"]}, {}, "block"),
        ("banner", {"bcat": ["1"], "cattax": 6}, {}, "block"),
        ("banner", {"badv": ["example"]}, {}, "block"),
        ("banner", {"bapp": ["com.example"]}, {"bundle": "com.example"}, "block"),
        ("banner", {"imp": {"banner": {"battr": [9]}}}, {"attr": [9]}, "block"),
        ("banner", {"imp": {"banner": {"btype": [2]}}}, {}, "block"),
        ("banner", {"imp": {"banner": {"btype": [3]}}}, {"adm": "<script></script>"}, "block"),
        ("banner", {"wseat": ["other"]}, {}, "block"),
        ("banner", {"bseat": ["raybid"]}, {}, "block"),
        ("banner", {"imp": {"secure": 1}}, {"adm": "<img src='http://cdn.example/a.png'>"}, "block"),
        ("banner", {}, {"w": 320}, "size"),
        ("banner", {"imp": {"banner": {"w": None, "format": [{"wratio": 1, "hratio": 1, "wmin": 1}]}}}, {}, "size"),
        ("banner", {}, {"mtype": 2}, "format"),
        ("banner", {}, {"adm": "hello"}, "format"),
        ("banner", {}, {"adm": "<VAST version='3.0'/>"}, "format"),
        ("video", {}, {"adm": "<b>no VAST</b>"}, "format"),
        ("video", {"imp": {"video": {"mimes": ["video/webm"]}}}, {}, "format"),
        ("video", {"imp": {"video": {"maxduration": 14}}}, {}, "format"),
        ("video", {"imp": {"video": {"minduration": 16}}}, {}, "format"),
        ("video", {"imp": {"video": {"rqddurs": [30]}}}, {}, "format"),
        ("video", {"imp": {"video": {"poddur": 10}}}, {}, "format"),
        ("video", {"imp": {"video": {"protocols": [1]}}}, {}, "format"),
        ("video", {"imp": {"video": {"linearity": 2}}}, {}, "format"),
        ("video", {"imp": {"video": {"maxbitrate": 100}}}, {}, "format"),
        ("audio", {"imp": {"audio": {"maxduration": 5}}}, {}, "format"),
        ("native", {"imp": {"native": {"request": {"assets": [{"id": 1, "title": {"len": 40}}]}}}}, {}, "format"),
        ("native", {"imp": {"native": {"request": {"assets": [{"id": 7, "title": {"len": 3}}]}}}}, {}, "format"),
        ("native", {"imp": {"native": {"request": {"assets": [{"id": 7, "data": {"type": 1}}]}}}}, {}, "format"),
        ("native", {}, {"adm": "{}"}, "format"),
        ("native", {}, {"adm": "title"}, "format"),
        ("banner", {"imp": {"pmp": {"private_auction": 1}}}, {}, "deal"),
        ("banner", {}, {"dealid": "d"}, "deal"),
        ("banner", {"imp": {"pmp": {"deals": [{"id": "d", "wseat": ["x"]}]}}}, {"dealid": "d"}, "deal"),
        ("banner", {"imp": {"pmp": {"deals": [{"id": "d", "wadomain": ["x"]}]}}}, {"dealid": "d"}, "deal"),
        ("banner", {}, {"burl": "https://bid.example/bill"}, "macro"),
        ("banner", {}, {"adm": "<a href='{click_url}'>x</a>"}, "macro"),
        ("banner", {}, {"adm": "<img src='https://a.example/${AUCTION_PRISE}'>"}, "macro"),
        ("banner", {}, {"adm": "<img src='https://a.example/%24%7BAUCTION_PRICE%7D'>"}, "macro"),
        *(("banner", {}, {name: None}, "missing_field") for name in ("crid", "adomain", "cat", "exp", "lurl", "w")),
        ("banner", {"imp": {"qty": {"multiplier": 30.3}}}, {}, "qty"),
        ("banner", {}, {"adomain": ["whole-chain.example"]}, "schain"),
        (
            "banner",
            {"source": {"ext": {"schain": {"complete": 0, "nodes": [{"asi": "a.example", "sid": "1"}]}}}},
            {"adomain": ["whole-chain.example"]},
            "schain",
        ),
        ("video", {}, {"crid": "another"}, "markup_schema"),
        ("banner", {"id": "other"}, {}, "response"),
        ("banner", {"imp": {"id": "other"}}, {}, "response"),
    ],
)
def test_a_rule_sees_what_breaks_it(kind: str, request_: dict[str, Any], bid: dict[str, Any], rule: str) -> None:
    assert rule in RULES
    assert rule in _broken(*_exchange(kind, request_, bid))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (' xmlns="http://www.iab.com/VAST"', ""),
        (
            "<Impression><![CDATA[https://bid.example",
            "<Impression></Impression><Impression><![CDATA[https://bid.example",
        ),
        ("<AdServingId>", "<AdServingId>${AUCTION_ID}"),
        ("</InLine>", "<Unknown/></InLine>"),
        ("<InLine>", "<InLine><AdTitle>first</AdTitle>"),
    ],
)
def test_a_document_against_its_schema_is_seen(before: str, after: str) -> None:
    sent = json.loads(_GOOD["video"].body)
    sent["imp"][0]["video"]["protocols"] = [13]
    (answer,) = Bidder(_GOOD["video"].listings, rates=RATES).answer(json.dumps(sent).encode())
    told = json.loads(answer.body or b"")
    assert _broken(sent, told) == set()
    (bid,) = told["seatbid"][0]["bid"]
    assert before in bid["adm"]
    bid["adm"] = bid["adm"].replace(before, after)
    assert _broken(sent, told) == {"markup_schema"}


def test_two_bids_for_an_imp_are_one_too_many_unless_a_pod_has_room() -> None:
    sent, told = _exchange("video", {}, {})
    (seat,) = told["seatbid"]
    seat["bid"].append({**deepcopy(seat["bid"][0]), "id": "another"})
    assert _broken(sent, told) == {"duplicate_imp"}
    sent["imp"][0]["video"] |= {"poddur": 60, "maxseq": 2}
    assert _broken(sent, told) == set()


@pytest.mark.parametrize("body", [b"", b"[]", b"not JSON", b"\xff"])
def test_what_is_no_answer_is_told(body: bytes) -> None:
    assert {rule for rule, _ in judge({"id": "r"}, body, _RATES).violations} == {"response"}


_HELD = BidderCreatives(_RATES, frozenset({"raybid"}), ("d1",), frozenset({"IAB22-4"}), frozenset({"shop.example"}))


@pytest.mark.parametrize(
    ("request_", "imp", "reason"),
    [
        ({}, {"banner": {"w": 1, "h": 1}}, ""),
        ({}, {"banner": {}}, "no_size"),
        ({}, {"banner": {}, "video": {"mimes": ["video/mp4"]}}, ""),
        ({}, {"banner": {"w": 1, "h": 1, "btype": [1, 2, 3, 4]}}, "markup"),
        ({}, {"video": {"mimes": ["foo"]}}, "mimes"),
        ({}, {"video": {"mimes": ["video/mp4"], "minduration": 9, "maxduration": 5}}, "duration"),
        ({}, {"video": {"mimes": ["video/mp4"], "rqddurs": [5], "poddur": 1}}, "duration"),
        ({}, {"video": {"mimes": ["video/mp4"], "maxbitrate": 10}}, "bit_rate"),
        ({}, {"native": {"request": '{"assets":[{"id":1,"required":1,"data":{"type":501}}]}'}}, "asset"),
        ({}, {"banner": {"w": 1, "h": 1}, "pmp": {"private_auction": 1}}, "private_deal"),
        ({}, {"banner": {"w": 1, "h": 1}, "pmp": {"private_auction": 1, "deals": [{"id": "d1"}]}}, ""),
        ({}, {"banner": {"w": 1, "h": 1}, "bidfloor": 1, "bidfloorcur": "XAU"}, "no_rate"),
        ({"cur": ["XAU"]}, {"banner": {"w": 1, "h": 1}}, "no_rate"),
        ({"wseat": ["x"]}, {"banner": {"w": 1, "h": 1}}, "seats"),
        ({"bcat": ["IAB22"]}, {"banner": {"w": 1, "h": 1}}, "categories"),
        ({"badv": ["shop.example"]}, {"banner": {"w": 1, "h": 1}}, "advertisers"),
        ({"tmax": 1}, {"banner": {"w": 1, "h": 1}}, "time"),
    ],
)
def test_what_nobody_could_answer_has_a_reason(request_: dict[str, Any], imp: dict[str, Any], reason: str) -> None:
    assert impossible(request_, imp, _HELD) == reason


def test_the_documentation_has_every_rule_and_reason() -> None:
    text = (Path(__file__).parents[3] / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert [name for name in (*RULES, *REASONS) if f"`{name}`" not in text] == []
