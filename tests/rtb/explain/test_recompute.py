"""Whatever was bid, by whatever was served: from what was recorded the same price comes out, to the micro-unit."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rtb import exchanges
from rtb.auction.batch import Answer
from rtb.campaigns.campaign import HeldDeal, Targeting
from rtb.explain.explain import explained
from rtb.explain.recompute import Recomputed, recompute
from rtb.explain.snapshot_loader import RecomputeError, SnapshotLoader
from rtb.explain.store import DecisionReader, NotKept
from rtb.ledger import ANYBODY
from rtb.models import policy
from rtb.models.winrate import market_key
from rtb.money.accounts import arm_of, campaign_of
from rtb.money.currency import Rates
from rtb.pacing.snapshot import PACING_DTYPE, PacingTable, encode_pacing
from rtb.simple_api import FlatRequest
from rtb.simple_api.convert import to_bid_request
from rtb.targeting.listing import Listing
from simulation import reference
from simulation.requests import to_openrtb
from tests.rtb.builders import make_campaign, make_creative, make_request, make_table, make_video, to_json
from tests.rtb.explain.worlds import World
from tests.support import examples

RATES = Rates(rates={"EUR": 0.92, "JPY": 150.1})
DRAWN = settings(max_examples=examples(10), phases=[Phase.explicit, Phase.reuse, Phase.generate])
CHECKED = 300  # bids of each example


@contextmanager
def recorded(listings: list[Listing], **told: Any) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        versions = World(Path(folder), listings, **told)
        yield versions
        versions.store.close()


def bids_of(answers: list[Answer]) -> list[dict[str, Any]]:
    bodies = [json.loads(answer.body) for answer in answers if answer.body]
    objects = [answer.response for answer in answers if answer.response]
    sent = [bid | {"cur": body["cur"]} for body in bodies for seat in body["seatbid"] for bid in seat["bid"]]
    return sent + [
        {"id": b.id, "price": b.price, "cid": b.cid, "cur": o.cur} for o in objects for s in o.seatbid for b in s.bid
    ]


MARKETS = [market_key(profile.number, 5) for profile in exchanges.load()]
"""Where the campaigns of a drawn table know prices."""


def again(versions: World, bid_id: str) -> Recomputed:
    versions.flush()
    with DecisionReader(versions.path) as reader:
        return recompute(reader.find(bid_id), SnapshotLoader(reader))


def drawn_table(listings: list[Listing], draw: np.random.Generator, *, arms: bool) -> PacingTable:
    """Build a pacing table as in the middle of a market's day, some campaigns closed."""
    numbers = [listing.number for listing in listings]
    table = make_table(listings)
    if arms:
        table = np.concatenate([table, table])
        table["number"] = [*numbers, *(arm_of(number, 3) for number in numbers)]
    size = len(table)
    for name in PACING_DTYPE.names or ():
        if PACING_DTYPE[name] == np.float64 and name not in ("value_micros", "day_ends"):
            table[name] = draw.uniform(0.0, 2.0, size)
    table["level"] = draw.uniform(0.0, 1.2, size) * table["value_micros"]
    for place, key in enumerate(MARKETS):
        table["markets"]["key"][:, place] = key
        table["markets"]["median"][:, place] = draw.choice([0.0, 300.0, 5_000.0], size)
        table["markets"]["shape"][:, place] = draw.uniform(0.5, 4.0, size)
    table["open"] = draw.random(size) < 0.9
    return table


def drawn_listings() -> list[Listing]:
    """Return the sample campaigns, those of other formats, one that pays for conversions, one with deals."""
    deals = (HeldDeal(id="agreed", price_micros=9_000), HeldDeal(id="value", floor_micros=100))
    others = [
        make_campaign("film", creatives=(make_video(),), value=900_000_000),
        make_campaign("buyers", kind="conversion", value=90_000_000_000, max_bid=4_000),
        make_campaign("dealer", value=700_000_000, deals=deals, creatives=(make_creative(), make_video())),
    ]
    return [Listing(number, campaign) for number, campaign in enumerate([*reference.campaigns(12), *others], 1)]


def drawn_request(draw: np.random.Generator, market: list[bytes]) -> bytes:
    if draw.random() < 0.5:
        return market[int(draw.integers(len(market)))]
    imps = []
    for number in range(int(draw.integers(1, 4))):
        imp: dict[str, Any] = {
            "id": str(number),
            "banner": {"w": 300, "h": 250},
            "bidfloor": float(draw.choice([0, 1])),
        }
        if draw.random() < 0.3:
            imp["video"] = {"mimes": ["video/mp4"], "maxduration": 30, "protocols": [2, 3], "w": 640, "h": 360}
        if draw.random() < 0.3:
            imp["pmp"] = {"deals": [{"id": "agreed", "at": 3, "bidfloor": 2.0}, {"id": "value"}]}
        imps.append(imp)
    told = {"cur": [str(draw.choice(["USD", "EUR", "JPY"]))], "user": {"id": f"u{draw.integers(50)}"}}
    return to_json(make_request(id=f"r{draw.integers(10**9)}", imp=imps, at=int(draw.choice([1, 2])), **told))


def drawn_market(seed: int) -> list[bytes]:
    market = reference.market(traffic_seed=seed)
    auctions = market.step(60)
    return [to_json(to_openrtb(market, auctions, i, "first" if i % 2 else "second")) for i in range(60)]


@DRAWN
@given(st.integers(0, 2**32 - 1))
def test_the_price_of_every_bid_comes_out_again(seed: int) -> None:
    draw = np.random.default_rng(seed)
    listings, market = drawn_listings(), drawn_market(int(draw.integers(2**31)))
    profiles = list(exchanges.load())
    sent: list[dict[str, Any]] = []
    with recorded(listings, rates=RATES) as versions:
        versions.split(0.4)
        for step in range(int(draw.integers(4, 9))):
            some = [one for one in listings if draw.random() < 0.9]
            early = [versions.prepare(drawn_request(draw, market)) for _ in range(2)] if step else []
            versions.catalog(some, f"catalog-{step}")
            table = drawn_table(some, draw, arms=step % 3 != 0)
            versions.pace(table, f"table-{step}", router_too=bool(draw.random() < 0.7))
            if draw.random() < 0.5:
                versions.serve_model(int(draw.integers(3)))
            if draw.random() < 0.5:
                versions.serve_policy(int(draw.integers(3)), challenger=bool(draw.random() < 0.5))
            for size in draw.integers(1, 24, 3):
                profile, caller = profiles[int(draw.integers(len(profiles)))], int(draw.choice([0, 5]))
                requests = [versions.prepare(drawn_request(draw, market), profile, caller) for _ in range(size)]
                barred = draw.integers(1, len(listings) + 1, 3).tolist()
                sent += bids_of(versions.answer([*early, *requests], barred if draw.random() < 0.5 else []))
                early = []
        versions.flush()
        assert sent
        with DecisionReader(versions.path) as reader:
            assert sorted(reader.recent(10**9)) == sorted(bid["id"] for bid in sent)
            loader = SnapshotLoader(reader)
            for bid in draw.permutation(np.array(sent, object))[:CHECKED]:
                found = recompute(reader.find(bid["id"]), loader)
                told = explained(found)
                assert told["equal"] is True, told
                assert told["price"]["sent"]["cpm"] == pytest.approx(bid["price"], abs=0)
                assert (told["price"]["sent"]["currency"], told["campaign"]) == (bid["cur"], bid["cid"])
                assert [one["campaign"] for one in told["candidates"] if one["ended"] == "won"] == [bid["cid"]]


def test_a_request_that_never_was_openrtb_comes_out_again() -> None:
    listings = drawn_listings()
    with recorded(listings) as versions:
        versions.catalog(listings, "c")
        versions.pace(drawn_table(listings, np.random.default_rng(1), arms=False), "p")
        versions.serve_model(1)
        versions.serve_policy(1)
        asked = [
            FlatRequest(id=f"flat-{n}", w=300, h=250, geo="USA/CA", first_price=n % 2 == 0, floor=n / 10)
            for n in range(20)
        ]
        asked += [FlatRequest(format="video", w=640, h=360, app="com.example"), FlatRequest(sizes=((300, 250),))]
        sent = bids_of(versions.answer([versions.edge.prepare_object(to_bid_request(one, "USD")) for one in asked]))
        assert len(sent) > 5
        for bid in sent:
            assert again(versions, bid["id"]).is_equal


def test_each_way_of_ending_is_told() -> None:
    campaigns = [
        make_campaign("rich", value=5_000_000_000),
        make_campaign("winner", value=4_000_000_000),
        make_campaign("poorer", value=3_000_000_000),
        make_campaign("closed", value=2_000_000_000),
        make_campaign("cheap", value=1_000),
        make_campaign("film", creatives=(make_video(),)),
        make_campaign("seen", value=1_900_000_000),
    ]
    listings = [Listing(number, campaign) for number, campaign in enumerate(campaigns, 1)]
    with recorded(listings, max_candidates=8) as versions:
        versions.catalog(listings, "c")
        table = make_table(listings)
        table["open"] = table["number"] != 4
        versions.pace(table, "p", router_too=False)
        versions.stage.book._open.pop((1, ANYBODY))  # its lease is spent
        body = to_json(
            make_request(user={"id": "u"}, imp=[{"id": "1", "banner": {"w": 300, "h": 250}, "bidfloor": 0.01}])
        )
        (bid,) = bids_of(versions.answer([versions.prepare(body)], barred=[7]))
        told = explained(again(versions, bid["id"]))
    ended = {one["campaign"]: one["ended"].partition(":")[0] for one in told["candidates"]}
    assert ended == {
        "rich": "no money",
        "winner": "won",
        "poorer": "lost the internal auction",
        "cheap": "worth nothing" if told["candidates"][3].get("price_micros") == 0 else "below its floor",
        "closed": "not open",
    }
    assert [one["campaign"] for one in told["candidates"]] == ["rich", "winner", "poorer", "cheap", "closed"]
    reasons = {one["campaign"]: one["failed"][0].partition(":")[0] for one in told["dropped"]["each"]}
    assert reasons == {"film": "creative", "seen": "frequency"}


def test_every_test_that_kept_a_campaign_out_is_told() -> None:
    aimed = {
        "abroad": Targeting(countries=("FRA",), regions=("FRA/IDF",)),
        "phones": Targeting(device_types=(4,)),
        "apps": Targeting(inventory=("app",)),
        "night": Targeting(hours=(3,)),
        "elsewhere": Targeting(publishers=("other.example",)),
        "fans": Targeting(segments=("fans",)),
        "blocked": Targeting(),
    }
    campaigns = [make_campaign(name, targeting=targeting) for name, targeting in aimed.items() if name != "blocked"]
    campaigns += [make_campaign("blocked", adomain=("bad.example",)), make_campaign("winner", value=900_000_000)]
    listings = [Listing(number, campaign) for number, campaign in enumerate(campaigns, 1)]
    with recorded(listings) as versions:
        versions.catalog(listings, "c")
        versions.pace(make_table(listings), "p")
        (bid,) = bids_of(versions.answer([versions.prepare(to_json(make_request(badv=["bad.example"])))]))
        told = explained(again(versions, bid["id"]))
    assert {one["campaign"]: one["failed"] for one in told["dropped"]["each"]} == {
        "abroad": ["country", "region"],
        "phones": ["devicetype"],
        "apps": ["inventory"],
        "night": ["hour"],
        "elsewhere": ["publisher"],
        "fans": ["segment"],
        "blocked": ["block adv:bad.example"],
    }


def one_bid(versions: World, listings: list[Listing]) -> str:
    versions.catalog(listings, "c")
    versions.pace(drawn_table(listings, np.random.default_rng(2), arms=False), "p")
    versions.serve_model(1)
    sent = bids_of(versions.answer([versions.prepare(to_json(make_request(id=f"r{n}"))) for n in range(20)]))
    return str(sent[0]["id"])


class Tampered:
    """Pictures of which one is not what it was."""

    def __init__(self, reader: DecisionReader, kind: str, body: bytes | None) -> None:
        self._reader, self._kind, self._body = reader, kind, body

    def read_snapshot(self, kind: str, version: str) -> bytes:
        if kind != self._kind:
            return self._reader.read_snapshot(kind, version)
        if self._body is None:
            raise NotKept(f"{kind} {version} is gone")
        return self._body


def test_another_pacing_table_makes_another_price() -> None:
    listings = drawn_listings()
    with recorded(listings) as versions:
        bid_id = one_bid(versions, listings)
        versions.flush()
        with DecisionReader(versions.path) as reader:
            found = reader.find(bid_id)
            assert recompute(found, SnapshotLoader(reader)).is_equal
            other = drawn_table(listings, np.random.default_rng(2), arms=False)
            other["level"] *= 0.9
            changed = recompute(found, SnapshotLoader(Tampered(reader, "pacing", encode_pacing(other))))
            assert not changed.is_equal
            assert explained(changed)["equal"] is False


def test_another_model_is_noticed() -> None:
    listings = drawn_listings()
    with recorded(listings) as versions:
        bid_id = one_bid(versions, listings)
        versions.serve_model(2)
        other = versions.ctr.scorer.version
        versions.flush()
        with DecisionReader(versions.path) as reader:
            body = reader.read_snapshot("ctr", other)
            with pytest.raises(RecomputeError, match="CTR model"):
                recompute(reader.find(bid_id), SnapshotLoader(Tampered(reader, "ctr", body)))
            with pytest.raises(NotKept, match="is gone"):
                recompute(reader.find(bid_id), SnapshotLoader(Tampered(reader, "catalog", None)))


def test_a_bid_of_other_features_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    listings = drawn_listings()
    with recorded(listings) as versions:
        bid_id = one_bid(versions, listings)
        versions.flush()
        monkeypatch.setattr("rtb.models.features.SCHEMA_VERSION", "features-of-tomorrow")
        with DecisionReader(versions.path) as reader, pytest.raises(RecomputeError, match="release that made it"):
            recompute(reader.find(bid_id), SnapshotLoader(reader))


def test_tests_are_not_recorded() -> None:
    listings = drawn_listings()
    with recorded(listings) as versions:
        versions.catalog(listings, "c")
        versions.pace(make_table(listings), "p")
        assert bids_of(versions.answer([versions.prepare(to_json(make_request(test=1)))]))
        assert versions.recorder.take() is None


def test_the_policy_that_multiplied_is_the_one_told() -> None:
    listings = drawn_listings()
    with recorded(listings) as versions:
        versions.catalog(listings, "c")
        versions.split(0.5)
        versions.pace(drawn_table(listings, np.random.default_rng(5), arms=True), "p")
        versions.serve_policy(1)
        champion = versions.stage.policy.version
        versions.serve_policy(2, challenger=True)
        requests = [versions.prepare(to_json(make_request(id=f"r{n}", user={"id": f"u{n}"}))) for n in range(60)]
        told = [explained(again(versions, bid["id"])) for bid in bids_of(versions.answer(requests))]
    by = {one["made_by"]["policy"] == champion for one in told if one["experiment"] is None}
    assert by == {True}
    assert {one["made_by"]["policy"] for one in told if one["experiment"] == 3}.isdisjoint({champion, "neutral"})
    assert any(one["experiment"] == 3 for one in told)
    assert policy.neutral().version == "neutral"
    assert all(campaign_of(one["lease"]["account"]) < 100 for one in told)
