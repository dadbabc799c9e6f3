"""Portfolios over REST: who may make them, of what, and what is refused; nothing is moved by asking."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from deployments.api import portfolios
from rtb.catalog import Catalog, KeyRing, MoveRecord, configured_keys, digest_of
from rtb.ledger import MemoryLedger
from rtb.runtime.settings import Settings
from tests.deployments.rest import rest
from tests.rtb.builders import make_campaign

_KEY = {"X-API-Key": "a key of the tests"}
SEASON: dict[str, Any] = {"id": "season", "members": [{"campaign": "a"}, {"campaign": "b", "weight": 3}]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(admin_key=_KEY["X-API-Key"], var_dir=tmp_path)


@pytest.fixture
def keys(catalog: Catalog, settings: Settings) -> KeyRing:
    return KeyRing(catalog.keys, configured_keys(settings))


@pytest.fixture
def client(catalog: Catalog, settings: Settings, keys: KeyRing) -> Iterator[TestClient]:
    ledger = MemoryLedger()
    for name in "abc":
        asyncio.run(ledger.open(catalog.add(make_campaign(name, budget=1_000)).number, 1_000))
    app = rest([portfolios.routes(catalog, ledger)], settings, keys)
    with TestClient(app, headers=_KEY, raise_server_exceptions=False) as client:
        yield client


def made(client: TestClient, **fields: Any) -> Any:
    answer = client.post("/portfolio/create", json=SEASON | fields)
    assert answer.status_code == 201, answer.text
    return answer


def test_one_is_shown_with_its_campaigns_figures(client: TestClient) -> None:
    answer = made(client)
    assert answer.headers["etag"] == '"1"'
    shown = client.get("/portfolio/season").json()
    assert shown == answer.json()
    assert shown["total_micros"] == 2_000
    assert shown["campaigns"]["b"]["budget_micros"] == 1_000
    assert shown["campaigns"]["b"]["ctr"] is None  # nothing happened yet
    assert (shown["strategy"], shown["decisions"], shown["decided_at"]) == ("dual", 0, None)
    assert [one["id"] for one in client.get("/portfolio").json()] == ["season"]


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"members": [{"campaign": "ghost"}]}, 404, "campaign-unknown"),
        ({"members": []}, 422, "portfolio-invalid"),
        ({"strategy": "greedy"}, 422, "portfolio-invalid"),
        ({}, 422, "portfolio-invalid"),  # a campaign is in one portfolio, and season has them
        ({"id": "season", "members": [{"campaign": "c"}]}, 409, "portfolio-exists"),
    ],
)
def test_what_cannot_be_made(client: TestClient, fields: dict[str, Any], status: int, kind: str) -> None:
    made(client)
    answer = client.post("/portfolio/create", json=SEASON | {"id": "other"} | fields)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (status, kind), answer.text
    assert client.post("/portfolio/create", content=b"{").status_code == 422


def test_a_change_needs_the_version_it_is_for(client: TestClient) -> None:
    made(client)
    assert client.patch("/portfolio/season", json={"strategy": "bandit"}).status_code == 428
    answer = client.patch("/portfolio/season", json={"strategy": "bandit"}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"], answer.json()["strategy"]) == (200, '"2"', "bandit")
    stale = client.patch("/portfolio/season", json={"strategy": "dual"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"2"')
    assert client.patch("/portfolio/season", json=[1], headers={"If-Match": '"2"'}).status_code == 422
    assert client.delete("/portfolio/season", headers={"If-Match": '"2"'}).status_code == 204
    assert client.get("/portfolio/season").status_code == 404


def test_what_if_moves_nothing(client: TestClient) -> None:
    made(client, most_move=1.0, least_move=0.0)
    told = client.get("/portfolio/season/what-if?strategy=proportional").json()
    assert [told["campaigns"][name]["would_have_micros"] for name in "ab"] == [500, 1_500]
    (move,) = told["moves"]
    assert (move["source"], move["target"], move["micros"]) == ("a", "b", 500)
    assert client.get("/portfolio/season").json()["campaigns"]["a"]["budget_micros"] == 1_000
    assert client.get("/portfolio/season/what-if?strategy=greedy").status_code == 422
    assert client.get("/portfolio/season/what-if").status_code == 422


def test_floors_that_cannot_be_kept_are_told(client: TestClient) -> None:
    made(client, members=[{"campaign": "a", "floor_micros": 5_000}])
    answer = client.get("/portfolio/season/what-if?strategy=dual")
    assert answer.status_code == 409
    assert "raise the total" in answer.json()["detail"]


def test_history_names_campaigns_and_says_why(client: TestClient, catalog: Catalog) -> None:
    made(client)
    assert client.get("/portfolio/season/history").json() == []
    catalog.record_spend([], "5-0", moves=[MoveRecord("season", 0.0, 1, 2, 70, "dual: a micro there brings in 2")])
    (move,) = client.get("/portfolio/season/history").json()
    assert (move["source"], move["target"], move["micros"]) == ("a", "b", 70)
    assert move["at"] == "1970-01-01T00:00:00+00:00"
    assert client.get("/portfolio/ghost/history").status_code == 404


def test_who_may_report_may_look_and_no_more(client: TestClient, catalog: Catalog, keys: KeyRing) -> None:
    made(client)
    reader = {"X-API-Key": "a reader's key of the tests"}
    catalog.keys.create("reader", ("report",), digest_of(reader["X-API-Key"]), "anna")
    keys.refresh()
    assert client.get("/portfolio/season", headers=reader).status_code == 200
    assert client.post("/portfolio/create", json=SEASON, headers=reader).status_code == 403
    assert client.delete("/portfolio/season", headers=reader | {"If-Match": '"1"'}).status_code == 403
