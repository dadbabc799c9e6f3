"""The simulated market: what its seed decides, how auctions are won, and what its truth looks like."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest

from rtb.money.micros import cpm_to_micros, floors_to_micros
from simulation.auctions import MONDAY, Auctions, SimulatedMarket
from simulation.campaigns import sample_campaigns
from simulation.optimum import auc, bayes_auc
from simulation.population import APP, COUNTRIES, PC, SIZES, TV, make_population, publisher_name
from simulation.requests import to_openrtb


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket(7)


@pytest.fixture(scope="module")
def auctions(market: SimulatedMarket) -> Auctions:
    return market.step(50_000)


def _same(one: Auctions, other: Auctions) -> bool:
    return all(np.array_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))


def test_seed_decides_everything() -> None:
    one, again, other = SimulatedMarket(3), SimulatedMarket(3), SimulatedMarket(4)
    for _ in range(2):
        batch = one.step(500)
        assert _same(batch, again.step(500))
        assert not _same(batch, other.step(500))


def test_batches_continue_each_other() -> None:
    market = SimulatedMarket(3)
    first, second = market.step(300), market.step(200)
    assert np.array_equal(np.concatenate([first.number, second.number]), np.arange(500))
    times = np.concatenate([first.time, second.time])
    assert times[0] >= MONDAY
    assert (np.diff(times) > 0).all()


def test_hour_is_that_of_the_time() -> None:
    market = SimulatedMarket(3, auctions_per_second=0.01)  # a hundred seconds apart: three thousand last half a week
    batch = market.step(3_000)
    assert np.array_equal(batch.hour, ((batch.time - MONDAY) // 3600).astype(int) % 168)
    assert len(np.unique(batch.hour)) > 60


def test_empty_batch() -> None:
    assert len(SimulatedMarket(3).step(0)) == 0


def test_prices_and_clicks_are_of_the_order_of_real_ones(market: SimulatedMarket, auctions: Auctions) -> None:
    assert 500 < auctions.market_price_micros.mean() < 3_000
    ctr = np.mean([market.truth.click(auctions, f"camp-{i:03d}").mean() for i in range(20)])
    assert 0.006 < ctr < 0.016
    conversion = np.mean([market.truth.conversion(auctions, f"camp-{i:03d}").mean() for i in range(20)])
    assert 0.03 < conversion < 0.08


def test_prices_are_whole_positive_micros(auctions: Auctions) -> None:
    for amount in (auctions.market_price_micros, auctions.floor_micros):
        assert amount.dtype == np.int64
        assert (amount > 0).all()


def test_prices_depend_on_the_slot_and_on_the_hour(market: SimulatedMarket, auctions: Auctions) -> None:
    log_price = np.log(auctions.market_price_micros)
    shares = np.bincount(auctions.slot)
    means = np.bincount(auctions.slot, log_price)[shares > 100] / shares[shares > 100]
    assert means.std() > 0.15
    day = market.competition.drift(np.arange(0.0, 86_400.0, 3_600.0))
    assert 0.1 < np.ptp(day) < 1.5


def test_devices_see_only_what_they_can_show(market: SimulatedMarket, auctions: Auctions) -> None:
    form = market.population.slots.form[auctions.slot]
    device = np.array([2, 3, 4, 5])[market.population.users.device[auctions.user]]
    assert not (form[device == PC] == APP).any()
    assert (form[device == TV] == APP).all()


def test_truth_of_a_campaign_is_its_ids_alone(market: SimulatedMarket, auctions: Auctions) -> None:
    again = SimulatedMarket(7).truth
    assert np.array_equal(again.click(auctions, "mine"), market.truth.click(auctions, "mine"))
    assert not np.allclose(again.click(auctions, "mine"), again.click(auctions, "yours"))
    assert not np.allclose(again.click(auctions, "mine", "a"), again.click(auctions, "mine", "b"))
    together = market.truth.clicks(auctions, ["mine", "yours"])
    assert np.array_equal(together[:, 1], market.truth.click(auctions, "yours"))
    assert market.truth.clicks(auctions, []).shape == (len(auctions), 0)


def test_truth_needs_interactions(market: SimulatedMarket, auctions: Auctions) -> None:
    """Another campaign's probabilities rank mine clearly worse than my own: taste matters, not quality alone."""
    mine = market.truth.click(auctions, "camp-001")
    others = np.mean([market.truth.click(auctions, f"camp-{i:03d}") for i in range(2, 12)], axis=0)
    clicks = np.random.default_rng(0).random((40, len(mine))) < mine
    best = np.mean([auc(mine, row) for row in clicks])
    assert best == pytest.approx(bayes_auc(mine), abs=0.01)
    assert 0.68 < best < 0.88
    assert best - np.mean([auc(others, row) for row in clicks]) > 0.03


def test_hour_matters_little(market: SimulatedMarket, auctions: Auctions) -> None:
    p = market.truth.click(auctions, "camp-001")
    moved = Auctions(
        **{field.name: getattr(auctions, field.name) for field in fields(auctions)} | {"hour": auctions.hour + 12}
    )
    logit, moved_logit = (np.log(q / (1 - q)) for q in (p, market.truth.click(moved, "camp-001")))
    assert not np.array_equal(logit, moved_logit)
    hours = 0.15 * np.cos(2 * np.pi * np.arange(24) / 24)
    assert hours.var() < 0.05 * logit.var()


def test_take_keeps_rows_together(auctions: Auctions) -> None:
    taken = auctions.take(np.array([5, 2]))
    assert len(taken) == 2
    assert taken.number.tolist() == [5, 2]
    assert taken.slot[1] == auctions.slot[2]


def test_request_shows_what_the_truth_depends_on(market: SimulatedMarket, auctions: Auctions) -> None:
    users, slots, media = market.population.users, market.population.slots, market.population.publishers
    for i in range(200):
        request = json.loads(json.dumps(to_openrtb(market, auctions, i)))
        user, slot = auctions.user[i], auctions.slot[i]
        name = media.name[slots.publisher[slot]]
        imp = request["imp"][0]
        assert imp["id"] == "1"
        assert (imp["banner"]["w"], imp["banner"]["h"]) == SIZES[slots.size[slot]]
        assert ("app" in request) != ("site" in request)
        assert name == (request["app"]["bundle"] if "app" in request else request["site"]["domain"])
        assert request["device"]["geo"]["country"] == COUNTRIES[users.country[user]]
        shown = {segment["id"] for data in request["user"]["data"] for segment in data["segment"]}
        assert len(shown) == users.segments[user].sum()
        assert (request["ext"]["ts"] - MONDAY) // 3600 % 168 == auctions.hour[i]
        assert (request["at"], request["tmax"], request["cur"]) == (2, 300, ["USD"])


def test_floor_survives_the_way_through_cpm(market: SimulatedMarket, auctions: Auctions) -> None:
    sent = [to_openrtb(market, auctions, i)["imp"][0]["bidfloor"] for i in range(300)]
    assert [cpm_to_micros(cpm) for cpm in sent] == auctions.floor_micros[:300].tolist()
    assert np.array_equal(floors_to_micros(np.array(sent)), auctions.floor_micros[:300])


def test_request_ids_are_unique_and_kind_is_told(market: SimulatedMarket, auctions: Auctions) -> None:
    assert len({to_openrtb(market, auctions, i)["id"] for i in range(500)}) == 500
    assert to_openrtb(market, auctions, 0, "first")["at"] == 1


def test_population_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="publishers"):
        make_population(1, publishers=3)
    with pytest.raises(ValueError, match="per_second"):
        SimulatedMarket(1, auctions_per_second=0)


def test_campaigns_are_valid_varied_and_repeatable() -> None:
    campaigns = sample_campaigns(40, 1, budget_micros=1_000_000)
    assert campaigns == sample_campaigns(40, 1, budget_micros=1_000_000)
    assert campaigns != sample_campaigns(40, 2, budget_micros=1_000_000)
    assert [campaign.id for campaign in campaigns[:2]] == ["camp-001", "camp-002"]
    assert {campaign.goal.kind for campaign in campaigns} == {"click", "conversion"}
    assert len({campaign.targeting for campaign in campaigns}) > 8
    assert all(500_000 <= campaign.budget.total_micros <= 2_000_000 for campaign in campaigns)
    assert all(len({(c.w, c.h) for c in campaign.creatives}) >= 3 for campaign in campaigns)


def test_campaigns_target_what_the_market_has(market: SimulatedMarket) -> None:
    names = set(market.population.publishers.name)
    assert names == {publisher_name(i) for i in range(len(names))}
    targeted = {name for campaign in sample_campaigns(60, 1) for name in campaign.targeting.publishers}
    assert targeted
    assert targeted <= names


def test_campaigns_bid_around_the_market(market: SimulatedMarket, auctions: Auctions) -> None:
    rates = []
    for campaign in sample_campaigns(12, 3):
        p = market.truth.click(auctions, campaign.id)
        if campaign.goal.kind == "conversion":
            p = p * market.truth.conversion(auctions, campaign.id)
        bid = (p * campaign.goal.value_micros).astype(np.int64)
        rates.append((bid >= np.maximum(auctions.market_price_micros, auctions.floor_micros)).mean())
    assert 0.2 < np.mean(rates) < 0.9
