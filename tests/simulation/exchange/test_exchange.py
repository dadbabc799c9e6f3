"""The exchange's pure parts: protocol rules, auctions, macros, percentiles, sources."""

from __future__ import annotations

import base64
import json
import math
import random
import re
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.money.micros import cpm_to_micros
from rtb.openrtb import Loss
from simulation.exchange.auction import ClearedBid, draw_market_price, hold
from simulation.exchange.macros import NAMES, fill_markup, fill_url, price_text
from simulation.exchange.notices import Settlement, conversion_token, macro_values
from simulation.exchange.protocol import CheckedBid, OfferedBid, check_response, read_request
from simulation.exchange.report import Latencies, ReplayFigures, line, table
from simulation.exchange.sources import Logged, RequestSourceError, from_files, from_market

REQUEST = {
    "id": "r",
    "imp": [
        {"id": "1", "banner": {"w": 300, "h": 250, "format": [{"w": 320, "h": 50}]}, "bidfloor": 0.5},
        {"id": "2", "video": {"w": 640, "h": 480}},
    ],
    "cur": ["USD", "EUR"],
    "tmax": 100,
}
BID = {
    "id": "b1",
    "impid": "1",
    "price": 1.0,
    "burl": "http://h/notice/bill/t?price=${AUCTION_PRICE}",
    "adomain": ["a.example"],
    "crid": "c",
    "w": 300,
    "h": 250,
}


def answer(**changes: Any) -> dict[str, Any]:
    """Build a good answer with one bid, its fields changed; None removes one."""
    bid = {name: value for name, value in {**BID, **changes}.items() if value is not None}
    return {"id": "r", "cur": "USD", "seatbid": [{"seat": "s", "bid": [bid]}]}


def violations(response: Any, request: Any = None) -> dict[str, int]:
    body = response if isinstance(response, bytes) else json.dumps(response).encode()
    return dict(check_response(body, read_request(json.dumps(request or REQUEST).encode())).violations)


# Protocol


@pytest.mark.parametrize(
    "response",
    [
        answer(),
        answer(w=320, h=50),
        answer(price=0.5),
        answer(burl=None, nurl="http://h/?p=${AUCTION_PRICE:B64}"),
        answer(impid="2", w=None, h=None),
        {**answer(), "cur": "EUR"},
        {key: value for key, value in answer().items() if key != "cur"},
        {"id": "r", "seatbid": []},
    ],
)
def test_a_good_answer_breaks_no_rule(response: dict[str, Any]):
    assert violations(response) == {}


@pytest.mark.parametrize(
    ("rule", "response"),
    [
        ("not_json", b"<html>"),
        ("not_json", b""),
        ("wrong_shape", b"[]"),
        ("wrong_shape", answer(price="1.0")),
        ("id_mismatch", {**answer(), "id": "other"}),
        ("currency_not_allowed", {**answer(), "cur": "JPY"}),
        ("unknown_imp", answer(impid="3")),
        ("no_bid_id", answer(id=None)),
        ("bad_price", answer(impid="2", price=0)),
        ("bad_price", answer(price=1e12)),
        ("below_floor", answer(price=0.499)),
        ("wrong_size", answer(w=728, h=90)),
        ("wrong_size", answer(w=320, h=250)),
        ("wrong_size", answer(w=None)),
        ("no_crid", answer(crid=None)),
        ("no_adomain", answer(adomain=None)),
        ("no_adomain", answer(adomain=[""])),
        ("no_price_macro", answer(burl="http://h/")),
        ("no_price_macro", answer(burl=None)),
        ("no_price_macro", answer(burl="http://h/", nurl="http://h/?p=${AUCTION_PRICE}")),
    ],
)
def test_each_rule_is_seen_alone(rule: str, response: Any):
    assert violations(response) == {rule: 1}


def test_bid_ids_are_unique_across_seats():
    response = answer()
    response["seatbid"].append(deepcopy(response["seatbid"][0]))
    assert violations(response) == {"duplicate_bid_id": 1}


def test_a_floor_in_another_currency_is_not_compared():
    request = {"id": "r", "imp": [{"id": "1", "bidfloor": 50.0, "bidfloorcur": "JPY"}]}
    assert violations(answer(), request) == {}


PRIVATE = {
    "private_auction": 1,
    "deals": [{"id": "d", "bidfloor": 2.0}, {"id": "e", "bidfloor": 2.0, "bidfloorcur": "EUR"}],
}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"dealid": "d", "price": 2.0}, {}),
        ({"dealid": "d", "price": 1.999}, {"below_floor": 1}),
        ({"dealid": "e"}, {}),  # in another currency
        ({"dealid": "f", "price": 9.0}, {"unknown_deal": 1}),
        ({"price": 9.0}, {"no_deal": 1}),
    ],
)
def test_a_bid_under_a_deal_is_held_to_its_floor(changes: dict[str, Any], found: dict[str, int]):
    request = {"id": "r", "imp": [{"id": "1", "bidfloor": 5.0, "pmp": PRIVATE}]}
    assert violations(answer(**changes), request) == found


@pytest.mark.parametrize(("mtype", "found"), [(1, {"below_floor": 1}), (2, {}), (None, {"below_floor": 1})])
def test_floors_by_length_are_not_compared(mtype: int | None, found: dict[str, int]):
    request = {"id": "r", "imp": [{"id": "1", "bidfloor": 5.0, "video": {"mincpmpersec": 0.01}}]}
    assert violations(answer(mtype=mtype), request) == found


def test_an_untidy_request_is_read_as_far_as_it_goes():
    request = {"id": 7, "imp": [{"id": 1, "banner": {"w": "300", "h": 250.0}, "bidfloor": "0.5"}, 3], "cur": []}
    offered = read_request(json.dumps(request).encode())
    assert offered.id == "7"
    assert offered.imps["1"].sizes == {(300, 250)}
    assert offered.imps["1"].floor_cpm == 0.5
    assert offered.currencies == {"USD"}


@given(st.recursive(st.none() | st.floats(allow_nan=False) | st.text() | st.integers(), st.lists))
def test_reading_a_request_never_fails(value: Any):
    imp = dict.fromkeys(("id", "banner", "bidfloor", "bidfloorcur", "pmp", "video"), value)
    for request in (value, {"id": value, "imp": value}, {"imp": [imp, {"banner": {"w": value, "h": value}}]}):
        offered = read_request(json.dumps(request).encode())
        assert offered.currencies
        assert {type(side) for imp in offered.imps.values() for size in imp.sizes for side in size} <= {int}
        assert {type(imp.currency) for imp in offered.imps.values()} <= {str}


# Auctions


def bid_at(price: float, *broken: str) -> CheckedBid:
    return CheckedBid(OfferedBid(id=f"b{price}", impid="1", price=price), "s", "r1", "USD", broken)


PRICES = st.floats(0.001, 1_000.0)


@given(st.lists(PRICES, min_size=1, max_size=5), PRICES, PRICES, st.sampled_from(["first", "second"]))
def test_auction_invariants(prices: list[float], market: float, floor: float, kind: Any):
    bids = [bid_at(price) for price in prices]
    outcomes = hold(bids, market, floor, kind)
    assert [outcome.bid for outcome in outcomes] == bids
    won = [outcome for outcome in outcomes if outcome.won]
    assert len(won) == (max(prices) >= max(market, floor))
    for outcome in won:
        assert outcome.bid.bid.price == max(prices)
        assert outcome.price_cpm == (max(prices) if kind == "first" else max(market, floor))
        assert outcome.min_to_win_cpm == max(market, floor) <= outcome.price_cpm <= outcome.bid.bid.price
    for outcome in outcomes:
        if not outcome.won:
            assert outcome.min_to_win_cpm >= outcome.bid.bid.price
            assert outcome.loss == (Loss.BELOW_FLOOR if outcome.bid.bid.price < floor else Loss.OUTBID)


def test_a_tie_with_the_market_is_ours_and_the_first_of_equal_bids_wins():
    outcomes = hold([bid_at(1.0), bid_at(1.0)], market_cpm=1.0, floor_cpm=0.0, kind="second")
    assert [outcome.won for outcome in outcomes] == [True, False]


def test_a_bid_that_breaks_a_rule_cannot_win():
    outcomes = hold([bid_at(9.0, "no_crid"), bid_at(2.0), bid_at(8.0, "below_floor")], 1.0, 0.0, "second")
    assert [outcome.loss for outcome in outcomes] == [Loss.INVALID_RESPONSE, Loss.WON, Loss.BELOW_FLOOR]
    assert outcomes[1].price_cpm == 1.0


def test_drawn_prices_follow_the_seed_and_the_floor():
    draws = [draw_market_price(random.Random(n), 0.0) for n in range(400)]
    assert draws == [draw_market_price(random.Random(n), 0.0) for n in range(400)]
    assert sorted(draws)[200] == pytest.approx(0.5, rel=0.15)
    above = [draw_market_price(random.Random(n), 4.0) for n in range(400)]
    assert sorted(above)[200] == pytest.approx(4.0, rel=0.15)


# Macros


@given(st.dictionaries(st.sampled_from(sorted(NAMES)), st.text(max_size=12)), st.text(max_size=20))
def test_every_macro_is_replaced_and_reads_back(values: dict[str, str], around: str):
    around = around.replace("$", "")
    for name in NAMES:
        url = fill_url(f"{around}${{{name}}}&{around}", values)
        inside = url[len(around) : len(url) - len(around) - 1]
        assert unquote(inside) == values.get(name, "").encode("utf-8", "replace").decode()
        assert not set(inside) & set("&?/# \"'<>$")


@given(st.text())
def test_text_without_a_known_macro_is_left_alone(text: str):
    if not re.search(r"\$\{AUCTION_", text):
        assert fill_markup(text, {"AUCTION_PRICE": "1"}) == text
    assert fill_markup("${AUCTION_OTHER} ${PRICE} $AUCTION_PRICE", {}) == "${AUCTION_OTHER} ${PRICE} $AUCTION_PRICE"


def test_markup_gets_values_as_they_are_and_base64_on_request():
    values = {"AUCTION_PRICE": "1.25", "AUCTION_ID": "a&b"}
    encoded = base64.b64encode(b"1.25").decode()
    assert fill_markup("${AUCTION_PRICE} ${AUCTION_PRICE:B64} ${AUCTION_ID}", values) == f"1.25 {encoded} a&b"
    assert fill_markup("[${AUCTION_LOSS}]", values) == "[]"


@given(st.floats(0.0, 1e6))
def test_a_price_reads_back_as_the_same_micros(cpm: float):
    text = price_text(cpm)
    assert "e" not in text
    assert cpm_to_micros(float(text)) == cpm_to_micros(cpm)


def test_macro_values_of_a_win_and_a_loss():
    checked = CheckedBid(OfferedBid(id="b", impid="7", price=4.0, adid="ad"), "seat", "r1", "EUR", ())
    won = macro_values(Settlement(ClearedBid(checked, Loss.WON, 1.0, 1.0), "req", Logged(), 0.0, 0.0))
    assert float(won.pop("AUCTION_IMP_TS")) > 1.6e12
    assert won == {
        "AUCTION_ID": "req",
        "AUCTION_BID_ID": "r1",
        "AUCTION_IMP_ID": "7",
        "AUCTION_SEAT_ID": "seat",
        "AUCTION_AD_ID": "ad",
        "AUCTION_PRICE": "1.0",
        "AUCTION_CURRENCY": "EUR",
        "AUCTION_MBR": "0.25",
        "AUCTION_LOSS": "0",
        "AUCTION_MIN_TO_WIN": "1.0",
        "AUCTION_MULTIPLIER": "1",
    }
    lost = macro_values(Settlement(ClearedBid(checked, Loss.OUTBID, 5.0, 5.0), "req", Logged(), 0.0, 0.0))
    assert (lost["AUCTION_LOSS"], lost["AUCTION_MIN_TO_WIN"], lost["AUCTION_MBR"]) == ("102", "5.0", "")
    assert won.keys() | {"AUCTION_IMP_TS"} == NAMES


@pytest.mark.parametrize(
    ("location", "token"),
    [("https://s.example/?a=1&rb_click=t-1", "t-1"), ("https://s.example/", ""), ("", ""), ("http://[", "")],
)
def test_the_conversion_token_is_read_from_the_landing_url(location: str, token: str):
    assert conversion_token(location) == token


# Percentiles and figures


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=200), st.floats(0.0, 1.0))
def test_a_percentile_is_the_nearest_rank_to_a_percent(values: list[float], q: float):
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    exact = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    assert latencies.percentile(q) == pytest.approx(exact, rel=0.01)
    assert len(latencies) == len(values)


def test_figures_without_anything_divide_by_nothing():
    summary = ReplayFigures().summary()
    assert summary["p99_ms"] == summary["win_rate"] == summary["qps"] == 0
    assert summary["ecpc_micros"] is None
    json.dumps(summary)


def test_figures_can_be_shown():
    figures = ReplayFigures(requests=10, answers=4, bids=4, wins=2, clicks=1, spend_micros=3_000, seconds=2.0)
    figures.statuses.update({200: 4, 204: 5, 503: 1})
    assert "win 50.0%" in line(figures)
    assert "eCPC 0.0030" in line(figures)
    assert table(figures).row_count > 5
    summary = figures.summary()
    assert summary["status"] == {"200": 4, "204": 5, "400": 0, "other": 1}
    assert (summary["qps"], summary["ecpc_micros"], summary["ctr"]) == (5.0, 3_000, 0.5)


# Sources


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines))
    return path


def test_both_forms_of_line_are_read_and_the_request_keeps_its_bytes(tmp_path: Path):
    plain, odd = b'{"id":"a",  "imp":[]}', b'{ "id" : 1e2, "imp":[ ] }'
    wrapped = b'{"src":"x","request":' + odd + b',"market_price_cpm":1.5,"click":1}'
    bad: list[str] = []
    path = write(tmp_path / "f.jsonl", plain, b"", wrapped, b"nonsense", b"[1]", b'{"request":{},"click":7}')
    offers = list(from_files([path], 1, endless=False, on_bad_line=bad.append))
    assert [offer.body for offer in offers] == [plain, odd]
    assert [offer.market_cpm for offer in offers] == [None, 1.5]
    assert [offer.audience for offer in offers] == [Logged(None), Logged(True)]
    assert [re.search(r"jsonl:(\d+):", reason)[1] for reason in bad] == ["4", "5", "6"]  # type: ignore[index]


def test_endless_files_begin_again_and_report_bad_lines_once(tmp_path: Path):
    bad: list[str] = []
    paths = [write(tmp_path / "1", b'{"id":"a"}', b"?"), write(tmp_path / "2", b'{"id":"b"}')]
    offers = list(islice(from_files(paths, 1, endless=True, on_bad_line=bad.append), 5))
    assert [offer.body[7:8] for offer in offers] == [b"a", b"b", b"a", b"b", b"a"]
    assert len({offer.luck for offer in offers}) == 5
    assert len(bad) == 1


@pytest.mark.parametrize("endless", [False, True])
def test_files_without_a_request_are_an_error(tmp_path: Path, endless: bool):
    with pytest.raises(RequestSourceError, match="no JSON object"):
        list(from_files([write(tmp_path / "f", b"?")], 1, endless=endless, on_bad_line=lambda _: None))


def test_simulated_offers_follow_the_seed_and_know_their_truth():
    first, again, other = (list(islice(from_market(seed, "first"), 50)) for seed in (1, 1, 2))
    assert [offer.body for offer in first] == [offer.body for offer in again]
    assert [offer.body for offer in first] != [offer.body for offer in other]
    assert json.loads(first[0].body)["at"] == 1
    assert all(offer.market_cpm and offer.market_cpm > 0 for offer in first)
    bids = [CheckedBid(OfferedBid(cid="c", crid=f"c:{creative}"), "", "", "USD", ()) for creative in ("x", "y")]
    clicks = [[offer.audience.click_probability(bid) for bid in bids] for offer in first]
    assert all(0 < p < 1 for pair in clicks for p in pair)
    assert any(x != y for x, y in clicks)
    assert len({x for x, _ in clicks}) > 10
    assert 0 < first[0].audience.conversion_probability(bids[0]) < 1
