"""From the bytes of a request to the bytes of its answer, with every stage in between and money in memory."""

from __future__ import annotations

import asyncio
import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.auction.batch import Answer
from rtb.campaigns.campaign import Targeting
from rtb.exchanges import Profile, number_of
from rtb.models import features
from rtb.models.ctr import CTRNetwork, CTRScorer
from rtb.models.features import FIELDS
from rtb.money.micros import cpm_to_micros
from rtb.openrtb import InvalidRequest, NoBid
from rtb.openrtb.macros import AUCTION_CURRENCY, AUCTION_LOSS, AUCTION_PRICE
from rtb.runtime.settings import Settings
from rtb.settlement.notice_tokens import BidRef, Kind, Signer, creative_number
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys
from tests.rtb.bidder import PLENTY, SIGNER, URL, USERS, Bidder, bids_of
from tests.rtb.builders import MONDAY_NOON, make_campaign, make_creative, make_request, make_table, to_json
from tests.support import SHARED_DATA, examples, require

_PCTR = 0.001  # of an untrained scorer


def _imps(number: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"id": str(n), "banner": {"w": 300, "h": 250}, **fields} for n in range(number)]


def test_bid_says_what_the_campaign_is() -> None:
    campaign = make_campaign(
        adomain=("shop.example", "shop.test"),
        cat=("IAB1-2",),
        creatives=(make_creative("wide", (728, 90)), make_creative("box", attr=(1, 2))),
    )
    answer = Bidder([Listing(3, campaign)]).ask()
    told = json.loads(answer.body or b"")
    (bid,) = bids_of(answer)
    assert (told["id"], told["cur"], told["bidid"]) == ("request", "USD", bid["id"])
    assert [seat["seat"] for seat in told["seatbid"]] == ["raybid"]
    assert bid["impid"] == "1"
    assert bid["price"] == 2.0  # 2 units a click at one click in a thousand, a thousand times
    assert bid["adomain"] == ["shop.example", "shop.test"]
    assert (bid["cid"], bid["crid"], bid["cat"], bid["attr"]) == ("spring", "spring-box", ["IAB1-2"], [1, 2])
    assert (bid["w"], bid["h"], bid["mtype"]) == (300, 250, 1)


def test_notices_name_the_bid() -> None:
    bidder = Bidder([Listing(3, make_campaign(creatives=(make_creative("wide", (728, 90)), make_creative("box"))))])
    (bid,) = bids_of(bidder.ask())
    for name, path in (("nurl", "win"), ("burl", "bill"), ("lurl", "loss")):
        start = f"{URL}/notice/{path}/"
        assert bid[name].startswith(start)
        ref = SIGNER.read(bid[name].removeprefix(start).split("?")[0], Kind(path))
        assert (ref.bid_id, ref.campaign, ref.creative) == (bid["id"], 3, creative_number("box"))
        assert ref.ceiling_micros == cpm_to_micros(bid["price"])
        assert ref.expires == MONDAY_NOON + 60
    assert bid["burl"].endswith(f"?price={AUCTION_PRICE}&cur={AUCTION_CURRENCY}")
    assert AUCTION_LOSS in bid["lurl"]


@pytest.mark.parametrize(
    ("creative", "shown"),
    [
        (
            {"image_url": 'https://cdn.example/a.png?a=1&b="2"'},
            '<a target="_blank" href="CLICK">'
            '<img src="https://cdn.example/a.png?a=1&amp;b=&quot;2&quot;" width="300" height="250" alt=""></a>',
        ),
        ({"adm": "<b>Buy</b>"}, '<a target="_blank" href="CLICK"><b>Buy</b></a>'),
        ({"adm": '<a href="{click_url}">Buy</a>'}, '<a href="CLICK">Buy</a>'),
        (
            {"adm": '<a href="{click_url}">Buy</a><a href="{click_url}">!</a>'},
            '<a href="CLICK">Buy</a><a href="CLICK">!</a>',
        ),
        ({"adm": '<a href="{click_url}">${AUCTION_ID}</a>'}, '<a href="CLICK">${AUCTION_ID}</a>'),
    ],
)
def test_markup_leads_to_the_click_notice(creative: dict[str, Any], shown: str) -> None:
    (bid,) = bids_of(Bidder([Listing(1, make_campaign(creatives=(make_creative(**creative),)))]).ask())
    click_url = f"{URL}/notice/click/"
    token = bid["adm"].split(click_url)[1].split('"')[0]
    assert SIGNER.read(token, Kind.CLICK).bid_id == bid["id"]
    assert bid["adm"].replace(click_url + token, "CLICK") == shown


def test_bids_of_two_seats_are_apart() -> None:
    listings = [
        Listing(1, make_campaign("box", seat="one")),
        Listing(2, make_campaign("wide", seat="two", creatives=(make_creative("wide", (728, 90)),))),
    ]
    imps = [*_imps(1), {"id": "wide", "banner": {"w": 728, "h": 90}}]
    told = json.loads(Bidder(listings).ask(imp=imps).body or b"")
    assert {seat["seat"]: [bid["impid"] for bid in seat["bid"]] for seat in told["seatbid"]} == {
        "one": ["0"],
        "two": ["wide"],
    }


def test_requests_of_one_batch_are_answered_each_its_own() -> None:
    listings = [
        Listing(1, make_campaign("usa", targeting=Targeting(countries=("USA",)))),
        Listing(2, make_campaign("deu", targeting=Targeting(countries=("DEU",)))),
    ]
    asked = [
        ("a", "USA", 2, 0.0),
        ("b", "FRA", 1, 0.0),
        ("c", "DEU", 1, 0.0),
        ("d", "USA", 1, 1e6),
        ("e", "DEU", 3, 0.0),
    ]
    bodies = [
        to_json(make_request(id=name, imp=_imps(imps, bidfloor=floor), device={"geo": {"country": country}}))
        for name, country, imps, floor in asked
    ]
    bidder = Bidder(listings)
    together = bidder.answer(*bodies)
    assert [answer.body and json.loads(answer.body)["id"] for answer in together] == ["a", None, "c", None, "e"]
    assert [[bid["cid"] for bid in bids_of(answer)] for answer in together] == [
        ["usa"] * 2,
        [],
        ["deu"],
        [],
        ["deu"] * 3,
    ]
    assert [[bid["impid"] for bid in bids_of(answer)] for answer in together] == [
        ["0", "1"],
        [],
        ["0"],
        [],
        ["0", "1", "2"],
    ]
    assert [together[1].reason, together[3].reason] == [NoBid.NO_CANDIDATE, NoBid.BELOW_FLOOR]
    assert [event.request for event in bidder.events] == ["a", "a", "c", "e", "e", "e"]
    assert bidder.answer() == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"cur": ["EUR"]}, NoBid.CURRENCY),
        ({"imp": _imps(1, bidfloor=0.1, bidfloorcur="EUR")}, NoBid.CURRENCY),
        ({"device": {"geo": {"country": "FRA"}}}, NoBid.NO_CANDIDATE),
        ({"badv": ["shop.example"]}, NoBid.BLOCKED),
        ({"imp": [{"id": "1", "video": {"mimes": ["video/mp4"]}}]}, NoBid.NO_CREATIVE),
        ({"imp": _imps(1, bidfloor=2.001)}, NoBid.BELOW_FLOOR),
    ],
)
def test_no_bid_has_its_reason(fields: dict[str, Any], reason: NoBid) -> None:
    bidder = Bidder([Listing(1, make_campaign(targeting=Targeting(countries=("USA",))))])
    assert bidder.ask(**fields) == Answer(None, reason)


def test_reasons_in_one_batch_do_not_mix() -> None:
    # Two campaigns want the first impression, one gets it: that is no lack of money, neither here nor next door.
    rich = Bidder([Listing(1, make_campaign("a")), Listing(2, make_campaign("b"))])
    below = to_json(make_request(imp=_imps(1, bidfloor=100)))
    assert [answer.reason for answer in rich.answer(to_json(make_request()), below)][1] == NoBid.BELOW_FLOOR
    poor = Bidder([Listing(1, make_campaign())], budget=2_000)
    reasons = [(bool(a.body), a.reason) for a in poor.answer(to_json(make_request()), to_json(make_request()), below)]
    assert [won for won, _ in reasons] == [True, False, False]
    assert [reason for _, reason in reasons[1:]] == [NoBid.NO_BUDGET, NoBid.BELOW_FLOOR]


def test_a_request_whose_candidates_are_all_barred_says_why() -> None:
    bidder = Bidder([Listing(1, make_campaign("a")), Listing(2, make_campaign("b"))])
    batch = bidder.edge.assemble([bidder.edge.prepare(to_json(make_request())) for _ in range(3)])
    first = batch.owner[batch.candidates.imp] == 0
    second = (batch.owner[batch.candidates.imp] == 1) & (batch.campaign == 2)
    left = batch.without(first | second, NoBid.USER_CAP)
    assert len(left.rows) == len(left.candidates) == len(left.campaign) == 3
    probability = bidder.ctr.score(left.rows).probability
    answers, _ = bidder.edge.render(left, probability, bidder.stage.decide(left.auction(probability)))
    assert answers[0] == Answer(None, NoBid.USER_CAP)
    assert [bid["cid"] for bid in bids_of(answers[1])] == ["a"]
    assert len(bids_of(answers[2])) == 1


def test_no_bid_without_money() -> None:
    assert Bidder([Listing(1, make_campaign())], budget=1_999).ask() == Answer(None, NoBid.NO_BUDGET)
    assert bids_of(Bidder([Listing(1, make_campaign())], budget=2_000).ask())


def test_campaign_that_is_left_out_makes_room_for_another() -> None:
    bidder = Bidder([Listing(1, make_campaign("dear", value=9_000_000)), Listing(2, make_campaign("cheap"))])
    assert bids_of(bidder.ask())[0]["cid"] == "dear"
    bidder.edge.set_open([2])
    assert bids_of(bidder.ask())[0]["cid"] == "cheap"
    bidder.edge.set_open([])
    assert bidder.ask() == Answer(None, NoBid.NO_CANDIDATE)


def test_new_catalog_is_bid_from_and_the_old_one_is_gone() -> None:
    bidder = Bidder([Listing(1, make_campaign("old"))])
    bidder.edge.set_catalog([Listing(2, make_campaign("new"))])
    bidder.stage.set_pacing_table(make_table([Listing(2, make_campaign("new"))]))
    assert bidder.edge.campaigns == 1
    assert bidder.ask() == Answer(None, NoBid.NO_BUDGET)  # its money is on its way
    asyncio.run(bidder.ledger.open(2, PLENTY))
    asyncio.run(bidder.book.maintain())
    assert [bid["cid"] for bid in bids_of(bidder.ask())] == ["new"]


def test_batch_is_answered_from_the_catalog_it_was_assembled_with() -> None:
    bidder = Bidder([Listing(1, make_campaign("old"))])
    batch = bidder.edge.assemble([bidder.edge.prepare(to_json(make_request()))])
    bidder.edge.set_catalog([])
    probability = bidder.ctr.score(batch.rows).probability
    answers, _ = bidder.edge.render(batch, probability, bidder.stage.decide(batch.auction(probability)))
    assert [bid["cid"] for bid in bids_of(answers[0])] == ["old"]


def test_prepared_request_has_its_time_and_no_more_imps_than_the_limit() -> None:
    edge = Bidder([Listing(1, make_campaign())]).edge
    prepared = edge.prepare(to_json(make_request(tmax=120, imp=_imps(20))))
    assert (prepared.id, prepared.tmax_ms, len(prepared.impressions)) == ("request", 120, 8)
    assert edge.prepare(to_json(make_request())).tmax_ms == 0
    assert prepared.impressions[0].audience.hour_of_week == 12


def test_event_of_a_bid_is_what_the_models_saw() -> None:
    listing = Listing(3, make_campaign())
    bidder = Bidder([listing])
    (bid,) = bids_of(bidder.ask(imp=_imps(1, bidfloor=0.5)))
    (event,) = bidder.events
    assert (event.bid, event.request, event.campaign, event.creative) == (bid["id"], "request", 3, bid["crid"])
    assert (event.price_micros, event.floor_micros, event.multiplier) == (2_000, 500, 1.0)
    assert event.pctr == pytest.approx(_PCTR)
    assert event.at == MONDAY_NOON
    impression = bidder.edge.prepare(to_json(make_request(imp=_imps(1, bidfloor=0.5)))).impressions[0]
    row = features.impression_row(impression) + features.creative_row("spring", listing.campaign.creatives[0])
    assert (event.features, event.feature_schema) == (row, features.SCHEMA_VERSION)
    assert len(row) == len(FIELDS)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 60),
        ({"site": ..., "app": {"bundle": "com.example"}}, 300),
        ({"imp": [{"id": "1", "instl": 1, "banner": {"w": 300, "h": 250}}]}, 1_800),
    ],
)
def test_a_bid_is_good_for_as_long_as_its_notices(fields: dict[str, Any], seconds: int) -> None:
    (bid,) = bids_of(Bidder([Listing(3, make_campaign())]).ask(**fields))
    assert bid["exp"] == seconds
    token = urlsplit(bid["burl"]).path.rpartition("/")[2]
    assert SIGNER.read(token, Kind.BILL).expires == int(MONDAY_NOON) + seconds


@pytest.mark.parametrize(("signals", "known"), [({}, True), ({"regs": {"coppa": 1}}, False)])
def test_a_token_has_the_users_key_where_privacy_allows(signals: dict[str, Any], known: bool) -> None:
    (bid,) = bids_of(Bidder([Listing(3, make_campaign())]).ask(user={"id": "somebody"}, **signals))
    token = urlsplit(bid["burl"]).path.rpartition("/")[2]
    assert SIGNER.read(token, Kind.BILL).user == (USERS.key("exchange:somebody") if known else 0)


_REF = BidRef(lease=5, sequence=1, campaign=3, creative=0, ceiling_micros=10, expires=int(MONDAY_NOON))


@pytest.mark.parametrize(
    ("landing", "before", "after"),
    [
        ("https://shop.example", "https://shop.example?", ""),
        ("https://shop.example/", "https://shop.example/?", ""),
        ("https://shop.example/a?b=c", "https://shop.example/a?b=c&", ""),
        ("https://shop.example/a?b=c&d=%20e&b=f", "https://shop.example/a?b=c&d=%20e&b=f&", ""),
        ("https://shop.example/a#top", "https://shop.example/a?", "#top"),
        ("https://shop.example/a?b=c#/route?x=y", "https://shop.example/a?b=c&", "#/route?x=y"),
        ("https://shop.example:8443/ü?q=ü", "https://shop.example:8443/%C3%BC?q=%C3%BC&", ""),
        ("https://shop.example/a b", "https://shop.example/a%20b?", ""),
    ],
)
def test_landing_url_keeps_what_it_has_and_gets_a_token(landing: str, before: str, after: str) -> None:
    edge = Bidder([Listing(3, make_campaign(creatives=(make_creative(landing_url=landing),)))]).edge
    url = edge.landing(_REF) or ""
    (token,) = parse_qs(urlsplit(url).query)["rb_click"]
    assert url == f"{before}rb_click={token}{after}"
    assert SIGNER.read(token, Kind.CONVERSION) == _REF


def test_landing_is_that_of_the_creative_shown() -> None:
    creatives = (
        make_creative("a", landing_url="https://a.example/"),
        make_creative("b", landing_url="https://b.example/"),
    )
    edge = Bidder([Listing(3, make_campaign(creatives=creatives))]).edge
    assert (edge.landing(_REF._replace(creative=1)) or "").startswith("https://b.example/")
    assert edge.landing(_REF._replace(creative=2)) is None
    assert edge.landing(_REF._replace(campaign=4)) is None
    by_id = _REF._replace(creative=creative_number("b"))
    assert (edge.landing(by_id) or "").startswith("https://b.example/")
    edge.set_catalog([Listing(3, make_campaign(creatives=creatives[::-1]))])
    assert (edge.landing(by_id) or "").startswith("https://b.example/")


_listings = st.lists(
    st.tuples(st.integers(1, 10**10), st.integers(0, 10**5), st.sampled_from([(300, 250), (728, 90)]), st.booleans()),
    max_size=5,
).map(
    lambda rows: [
        Listing(
            number,
            make_campaign(
                f"c{number}",
                value=value,
                max_bid=cap,
                kind="conversion" if converts else "click",
                adomain=(f"{number}.example",),
                creatives=(make_creative("only", size),),
            ),
        )
        for number, (value, cap, size, converts) in enumerate(rows)
    ]
)
_requests = st.lists(
    st.tuples(
        st.lists(st.tuples(st.floats(0, 50), st.sampled_from([(300, 250), (728, 90)])), min_size=1, max_size=3),
        st.sampled_from([1, 2]),
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def network() -> CTRNetwork:
    versions = CTRNetwork("deepfm", dim=2, hidden=(4,))
    versions.wide.weight.data.uniform_(-1, 0.5)
    return versions


@settings(max_examples=examples(150))
@given(listings=_listings, requests=_requests, budget=st.integers(0, 10**9))
def test_every_bid_is_worth_it_meets_its_floor_and_is_paid_for(
    network: CTRNetwork, listings: list[Listing], requests: list[Any], budget: int
) -> None:
    bidder = Bidder(listings, budget=budget, scorer=CTRScorer(network, "random"))
    campaigns = {listing.campaign.id: listing.campaign for listing in listings}
    sent = [
        make_request(
            id=f"r{number}",
            at=at,
            imp=[{"id": f"i{n}", "bidfloor": f, "banner": {"w": w, "h": h}} for n, (f, (w, h)) in enumerate(imps)],
        )
        for number, (imps, at) in enumerate(requests)
    ]
    answers = bidder.answer(*map(to_json, sent))
    assert len(answers) == len(sent)
    seen = {event.bid: event for event in bidder.events}
    promised: Counter[str] = Counter()
    for request, answer in zip(sent, answers, strict=True):
        imps = {imp["id"]: imp for imp in request["imp"]}
        bids = bids_of(answer)
        assert max(Counter(bid["impid"] for bid in bids).values(), default=1) == 1
        for bid in bids:
            campaign, imp, event = campaigns[bid["cid"]], imps[bid["impid"]], seen.pop(bid["id"])
            assert event.request == request["id"] == json.loads(answer.body or b"")["id"]
            assert bid["price"] >= imp["bidfloor"]
            assert 0 < event.price_micros == cpm_to_micros(bid["price"])
            assert event.price_micros <= campaign.goal.value_micros * event.pctr * event.multiplier * (1 + 1e-9)
            assert not campaign.goal.max_bid_micros or event.price_micros <= campaign.goal.max_bid_micros
            assert bid["adomain"] == list(campaign.adomain)
            assert bid["crid"] == f"{campaign.id}-only"
            assert {"w": bid["w"], "h": bid["h"]} == imp["banner"]
            promised[campaign.id] += event.price_micros
    assert not seen
    assert all(amount <= budget for amount in promised.values())


_oddities: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", 0, -1, 10**30, 1.5, True, [], {}, [None], "1e9", "é\u0000\U0001f600", ["a", 1], "A" * 300]
)


def _containers(value: Any) -> Iterator[Any]:
    """Objects and lists with something in them, the outermost first."""
    if value and isinstance(value, dict | list):
        yield value
        for inner in list(value.values() if isinstance(value, dict) else value):
            yield from _containers(inner)


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(st.integers(0, 10**6), _oddities), min_size=1, max_size=3))
def test_whatever_can_be_read_can_be_answered(changes: list[tuple[int, Any]]) -> None:
    request = copy.deepcopy(
        make_request(
            imp=[{"id": "1", "bidfloor": 0.1, "banner": {"w": 300, "h": 250, "pos": 1, "battr": [1]}, "secure": 1}],
            user={"data": [{"segment": [{"id": "s"}]}]},
            bcat=["IAB7"],
            badv=["rival.example"],
            tmax=100,
            at=1,
        )
    )
    for pick, odd in changes:
        parents = list(_containers(request))
        parent = parents[pick % len(parents)]
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        parent[keys[pick // 7 % len(keys)]] = copy.deepcopy(odd)
    listings = [Listing(1, make_campaign(targeting=Targeting(segments=("s",)))), Listing(2, make_campaign("open"))]
    bidder = Bidder(listings)
    try:
        prepared = bidder.edge.prepare(to_json(request))
    except InvalidRequest:
        return
    assert 0 <= prepared.tmax_ms < 2**31
    (answer,) = bidder.answer(to_json(request))
    assert (answer.body is None) == (not bids_of(answer))


@pytest.mark.parametrize("name", ["xrtb_requests.jsonl", "prebid_requests.jsonl"])
def test_real_requests_are_answered(name: str) -> None:
    path = SHARED_DATA / "openrtb" / name
    require(path.exists(), f"real requests in {path}")
    sizes = [(300, 250), (728, 90), (320, 50), (300, 600), (160, 600)]
    creatives = tuple(make_creative(f"{w}x{h}", (w, h)) for w, h in sizes)
    bidder = Bidder([Listing(1, make_campaign(value=10**10, creatives=creatives))])
    bodies = [to_json(json.loads(line)["request"]) for line in path.read_text(encoding="utf-8").splitlines()]
    answered = 0
    for body in bodies:
        try:
            (answer,) = bidder.answer(body)
        except InvalidRequest:
            continue
        imps = {str(imp["id"]): imp for imp in json.loads(body)["imp"]}
        for bid in bids_of(answer):
            answered += 1
            assert bid["price"] >= float(imps[bid["impid"]].get("bidfloor") or 0)
            assert (bid["w"], bid["h"]) in sizes
    assert answered > 100


def test_numbers_survive_many_campaigns() -> None:
    listings = [Listing(number, make_campaign(f"c{number}", value=1_000_000 + number)) for number in range(1_100)]
    bidder = Bidder(listings)
    answers = bidder.answer(*[to_json(make_request(id=str(n), imp=_imps(8))) for n in range(20)])
    bids = [bid for answer in answers for bid in bids_of(answer)]
    assert len(bids) == 160
    assert {bid["cid"] for bid in bids} == {"c1099"}
    assert np.unique([bid["id"] for bid in bids]).size == 160


@pytest.mark.parametrize(
    ("request_of", "first", "floor"),
    [
        ({"at": 1}, True, 20),
        ({"at": 2}, False, 20),
        ({"at": 501}, False, 20),  # whose rules say what is paid: the notice does
        ({}, False, 20),
    ],
)
@pytest.mark.parametrize("charge_on", [None, "win", "bill"])
def test_a_token_has_the_terms_of_the_sale(request_of: Any, first: bool, floor: int, charge_on: Any) -> None:
    bidder = Bidder([Listing(3, make_campaign())])
    acme = Profile(name="acme", charge_on=charge_on)
    body = to_json(make_request(imp=_imps(1, bidfloor=0.02), **request_of))
    (bid,) = bids_of(bidder.answer_prepared([bidder.edge.prepare(body, acme, 77)])[0])
    tokens = {kind: urlsplit(bid[url]).path.rpartition("/")[2] for kind, url in _URLS.items()}
    assert len(set(tokens.values())) == len(tokens)
    for kind, token in tokens.items():
        ref = SIGNER.read(token, kind)
        assert (ref.exchange, ref.caller) == (number_of("acme"), 77)
        assert (ref.first_price, ref.floor_micros) == (first, floor)
        assert ref.floor_micros <= ref.ceiling_micros == cpm_to_micros(bid["price"])
        assert ref.charged_by is (Kind.WIN if charge_on == "win" else Kind.BILL)


_URLS = {Kind.WIN: "nurl", Kind.BILL: "burl", Kind.LOSS: "lurl"}


def test_a_bid_asked_for_without_a_key_names_no_caller() -> None:
    (bid,) = bids_of(Bidder([Listing(3, make_campaign())]).ask())
    assert SIGNER.read(urlsplit(bid["burl"]).path.rpartition("/")[2], Kind.BILL).caller == 0


def test_a_user_keeps_its_number_when_the_notice_secret_changes(tmp_path: Path) -> None:
    numbers = []
    for secret in ("Xq3vN8rT5mKw2ZpL", "Hd7cY1uJ9sBe4GfA"):
        settings = Settings(var_dir=tmp_path, notice_secret=secret)
        bidder = Bidder([Listing(3, make_campaign())])
        bidder.edge._signer = signer = Signer(*settings.notice_secrets())
        bidder.edge._users = UserKeys(settings.resolve_secret("user_secret"))
        (bid,) = bids_of(bidder.ask(user={"id": "somebody"}))
        numbers.append(signer.read(urlsplit(bid["burl"]).path.rpartition("/")[2], Kind.BILL).user)
    assert numbers[0] == numbers[1] != 0
