"""What the platform says of itself: parts, figures, metrics; the same whichever replica is asked."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.exceptions import ConnectionError as RedisConnectionError

from deployments.readiness import LastAnswer, ReplicaReadiness
from rtb.catalog import CatalogError
from rtb.ledger import LedgerError
from tests.conftest import Valkey
from tests.deployments.in_process import ADMIN_KEY, Platform, running
from tests.rtb.builders import make_campaign
from tests.support import until


def _settled(platform: Platform) -> None:
    """Until the pacing table that a slow machine kept waiting is there again."""
    until(lambda: httpx.get(f"{platform.url}/health").json()["status"] == "ok")


@pytest.fixture(autouse=True)
def looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the parts anew in every call."""
    monkeypatch.setattr("deployments.api.health.KEPT_SECONDS", 0.0)
    monkeypatch.setattr("deployments.api.health.STAGES_KEPT_SECONDS", 0.0)


def test_a_flood_of_calls_looks_at_the_parts_once(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    looks: list[None] = []
    look = platform.router.parts.stores.durability.look

    async def counted() -> None:
        looks.append(None)
        await look()

    monkeypatch.setattr(platform.router.parts.stores.durability, "look", counted)
    client.get("/health")
    monkeypatch.setattr("deployments.api.health.KEPT_SECONDS", 60.0)
    before = len(looks)
    assert {client.get("/health").status_code for _ in range(20)} == {200}
    assert len(looks) - before <= 1  # of the replica's own, which it makes every two seconds


def test_every_part_says_how_it_is(platform: Platform, client: httpx.Client):
    _settled(platform)
    answer = client.get("/health")
    health = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert (health["status"], health["ledger"], health["campaigns"]) == ("ok", "ok", 1)
    assert {name: part["state"] for name, part in health["parts"].items()} == dict.fromkeys(
        ("ledger", "catalog", "models", "events", "snapshots", "bidding", "records", "CTRModel", "RLBidder"), "ok"
    )
    assert health["parts"]["RLBidder"] == {"state": "ok", "replicas": 1, "lacks": []}
    assert (health["parts"]["models"]["ctr"], health["parts"]["models"]["policy"]) == ("prior", "prior")
    assert health["parts"]["snapshots"]["age_seconds"] >= 0
    assert health["parts"]["events"]["length"] >= 0
    assert client.get("/health/live").json() == {"status": "ok"}
    assert client.get("/health/ready").json() == {"status": "ok", "missing": []}


def test_without_the_ledger_it_lives_but_is_not_ready(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    async def away(*_: Any) -> None:
        raise LedgerError("redis://:password@ledger.example does not answer")

    monkeypatch.setattr(platform.router.parts.stores.ledger, "balances", away)
    monkeypatch.setattr(platform.router.parts.stores.durability, "look", away)
    health, ready = client.get("/health"), client.get("/health/ready")
    assert (health.status_code, health.json()["status"], health.json()["ledger"]) == (503, "degraded", "unavailable")
    assert (ready.status_code, ready.json()["missing"]) == (503, ["ledger"])
    assert client.get("/health/live").status_code == 200
    stats = client.get("/stats")
    assert (stats.status_code, stats.headers["retry-after"]) == (503, "1")
    for answer in (health, ready, stats):
        assert "password" not in answer.text


@pytest.mark.parametrize(("name", "stage"), [("CTRModel", "_ctr_model"), ("RLBidder", "_rl_bidder")])
def test_a_stage_without_the_ledger_is_named_and_makes_it_unready(
    platform: Platform, client: httpx.Client, name: str, stage: str
):
    replica: Any = getattr(platform.router.parts.replica.stages, stage)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replica._feed, "_answered", LastAnswer())
        patch.setattr(replica._feed._subscriber, "pull", _never)
        health, ready = client.get("/health"), client.get("/health/ready")
    _settled(platform)
    assert (health.status_code, health.json()["status"]) == (503, "degraded")
    assert health.json()["parts"][name] == {"state": "incomplete", "replicas": 1, "lacks": ["ledger"]}
    assert (ready.status_code, ready.json()["missing"]) == (503, [name])


def test_stages_are_asked_once_a_second_at_most(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    asked: list[None] = []
    stages: Any = platform.router.parts.replica.stages
    readiness = stages._ctr_model.readiness

    async def counted() -> ReplicaReadiness:
        asked.append(None)
        found: ReplicaReadiness = await readiness()
        return found

    monkeypatch.setattr(stages._ctr_model, "readiness", counted)
    client.get("/health")
    monkeypatch.setattr("deployments.api.health.STAGES_KEPT_SECONDS", 60.0)
    for _ in range(10):
        client.get("/health")
        client.get("/health/ready")
    assert len(asked) == 1


async def _never() -> None:
    raise RedisConnectionError("the ledger is somewhere else")


def test_without_the_catalog_it_is_ready_but_not_well(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: Any) -> None:
        raise CatalogError("unavailable")

    monkeypatch.setattr(platform.router.parts.stores.catalog, "revision", away)
    health = client.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["parts"]["catalog"] == {"state": "unavailable"}
    assert client.get("/health/ready").status_code == 200


def test_metrics_are_the_figures_of_stats_whichever_replica_tells(
    platform: Platform, client: httpx.Client, valkey_server: Valkey, tmp_path: Path
):
    for slot in ({"w": 300, "h": 250}, {"w": 1, "h": 1}, {"w": 2, "h": 2}):
        bid = client.post("/bid", json=slot).json()
        if bid["bid"]:
            client.post("/auction-result", json={"token": bid["token"], "won": True, "price": 0.01})
    url = platform.router.parts.stores.settings.catalog_url
    with running(valkey_server, tmp_path, database_url=url) as other:
        first = _samples(client.get("/metrics").text)
        second = _samples(httpx.get(f"{other.url}/metrics", headers={"Authorization": f"Bearer {ADMIN_KEY}"}).text)
    stats = client.get("/stats").json()
    assert first[("raybid_spent_micros_total", ())] == stats["ledger"]["spent_micros"] > 0
    assert first[("raybid_requests_total", ())] == stats["counters"]["requests"]
    assert first[("raybid_no_bids_total", (("reason", "no_creative"),))] == stats["counters"]["no_bid.no_creative"]
    assert first[("raybid_notices_total", (("kind", "bill"), ("outcome", "settled")))] >= 1
    assert first[("raybid_campaigns", (("status", "active"),))] == 1
    # What goes on by itself, or is of one replica, differs from one second to the next.
    moving = ("event", "money", "cache", "lease", "available", "pacing", "clicks", "campaign_bids")
    business = [name for name in first if not any(part in name[0] for part in moving)]
    assert {name: first[name] for name in business} == {name: second[name] for name in business}


def test_names_from_outside_make_no_endless_metrics(platform: Platform, client: httpx.Client):
    for number in range(1_000):
        platform.router.parts.stores.tally.add(f"invalid.made_up_{number}")
        platform.router.parts.stores.tally.add(f"made.up.by.nobody_{number}")
    samples = _samples(client.get("/metrics").text)
    assert len(samples) < 600


def test_artefacts_and_exchanges_are_told(platform: Platform):
    with platform.client() as admin:
        assert admin.get("/admin/artefacts").json() == {"ctr": {"version": "prior"}, "policy": {"version": "prior"}}
        assert "prebid_server" in [profile["name"] for profile in admin.get("/admin/exchanges").json()]


def _samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_record_written_past_the_api_is_named_and_the_others_are_bid_on(platform: Platform, client: httpx.Client):
    catalog = platform.router.parts.stores.catalog
    catalog.add(make_campaign("far"))
    query = 'update campaigns set body = replace(body, \'"ends_at":null\', \'"ends_at":"9999-12-31T23:59:59-05:00"\')'
    with sqlite3.connect(Path(platform.router.parts.stores.settings.var_dir) / "catalog.sqlite") as connection:
        assert connection.execute(f"{query} where id = 'far'").rowcount == 1
        connection.execute("update revision set value = value + 1")

    until(lambda: client.get("/health").json()["parts"]["records"]["left_out"])
    told = client.get("/health")
    assert (told.status_code, told.json()["status"]) == (200, "degraded")
    assert told.json()["parts"]["records"] == {"state": "left_out", "left_out": 1, "names": ["campaign far"]}
    assert client.post("/bid", json={"w": 300, "h": 250}).json()["bid"]
