"""Campaigns over REST: versions and who may change them, and that the ledger hears of each new budget."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi.testclient import TestClient

from deployments.api import campaigns
from deployments.api.campaigns import CampaignParts
from deployments.stopping import StopSwitch
from rtb.campaigns.stops import Stops
from rtb.catalog import Catalog, KeyRing, Spend, configured_keys
from rtb.ledger import Grant, LedgerError, MemoryLedger, Terms
from rtb.runtime.settings import Settings
from tests.deployments.rest import rest
from tests.rtb.builders import make_campaign

_KEY = {"X-API-Key": "a key of the tests"}


class AwayLedger(MemoryLedger):
    """A ledger that can be away."""

    away = False

    async def open(self, campaign: int, terms: Terms | int) -> None:
        if self.away:
            raise LedgerError("the ledger is unavailable")
        await super().open(campaign, terms)


@pytest.fixture
def ledger() -> AwayLedger:
    return AwayLedger()


@pytest.fixture
def client(catalog: Catalog, ledger: AwayLedger, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(admin_key=_KEY["X-API-Key"], var_dir=tmp_path)
    stops = Stops()
    parts = CampaignParts(catalog, ledger, stops, StopSwitch(stops, None), lambda campaign: None, {"EUR": 0.5}.get)
    app = rest([campaigns.routes(parts)], settings, KeyRing(catalog.keys, configured_keys(settings)))
    with TestClient(app, headers=_KEY, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def spring(client: TestClient) -> dict[str, Any]:
    """Return a campaign as its creation answers it."""
    answer = client.post("/campaign/create", content=msgspec.json.encode(make_campaign("spring", budget=1_000)))
    assert answer.status_code == 201
    created: dict[str, Any] = answer.json()
    return created


def _patch(client: TestClient, patch: Any, version: int | str = 1, name: str = "spring") -> httpx.Response:
    content = patch if isinstance(patch, bytes) else json.dumps(patch).encode()
    return client.patch(f"/campaign/{name}", content=content, headers={"If-Match": f'"{version}"'})


def _history(client: TestClient) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = client.get("/campaign/spring/history").json()
    return lines


def test_each_answer_tells_the_version(client: TestClient, spring: dict[str, Any]):
    assert spring["version"] == 1
    assert client.get("/campaign/spring").headers["etag"] == '"1"'
    answer = _patch(client, {"name": "Spring sale"})
    assert (answer.status_code, answer.headers["etag"], answer.json()["version"]) == (200, '"2"', 2)
    assert client.get("/campaign/spring").json() == answer.json() == {**spring, "name": "Spring sale", "version": 2}
    assert [entry["version"] for entry in client.get("/campaigns").json()] == [2]


def test_a_patch_merges_and_null_takes_the_default(client: TestClient, spring: dict[str, Any]):
    days = {"daily_micros": 10, "timezone": "Europe/Berlin"}
    flight = {"starts_at": "2026-11-27T00:00:00Z", "ends_at": "2026-11-30T00:00:00+01:00"}
    changed = _patch(client, {"budget": days, "flight": flight}).json()
    assert changed["budget"] == {**spring["budget"], **days}
    assert changed["flight"] == flight
    cleared = _patch(client, {"budget": {"daily_micros": None}, "flight": None}, 2).json()
    assert cleared["budget"] == {**spring["budget"], "timezone": "Europe/Berlin"}
    assert cleared["flight"] == {"starts_at": None, "ends_at": None}


def test_a_campaign_may_have_a_currency_of_its_own(client: TestClient):
    sent = {**msgspec.to_builtins(make_campaign("spring", budget=1_000)), "currency": "EUR"}
    created = client.post("/campaign/create", json=sent)
    assert (created.status_code, created.json()["exchange_rate"]) == (201, 0.5)
    assert (created.json()["budget"]["total_micros"], created.json()["figures"]["budget_micros"]) == (1_000, 2_000)
    raised = client.post("/campaign/spring/top-up", json={"micros": 500}).json()
    assert (raised["budget"]["total_micros"], raised["figures"]["budget_micros"]) == (1_500, 3_000)
    again = _patch(client, {"exchange_rate": 0.25}, 2).json()
    assert (again["budget"]["total_micros"], again["figures"]["budget_micros"]) == (1_500, 6_000)
    assert again["over_budget_micros"] == 0


def test_a_currency_without_a_rate_is_refused(client: TestClient, spring: dict[str, Any]):
    sent = {**msgspec.to_builtins(make_campaign("autumn")), "currency": "CHF"}
    for answer in (client.post("/campaign/create", json=sent), _patch(client, {"currency": "CHF"})):
        assert (answer.status_code, "no rate for CHF" in answer.json()["detail"]) == (422, True)
    assert client.get("/campaign/autumn").status_code == 404
    assert client.get("/campaign/spring").json() == spring


def test_a_patch_without_a_version_is_refused(client: TestClient, spring: dict[str, Any]):
    answer = client.patch("/campaign/spring", json={"name": "x"})
    assert (answer.status_code, "If-Match" in answer.json()["detail"]) == (428, True)
    assert client.get("/campaign/spring").json() == spring


_NO_VERSION = ['W/"1"', '""', '"x"', '"-1"', '"' + "9" * 5_000 + '"', '"²"', '"2", "3"', 'W/"1", "1,1"', ',"2",']
_NO_TAG = [
    "1",
    "",
    '"1',
    '"1" "2"',
    '*, "1"',
    'w/"1"',
    '"1"; "2"',
    '"a b"',
    ", " * 1_000 + "x",
    '"1",' + " " * 2_000 + "x",
]


@pytest.mark.parametrize(("tag", "status"), [*((tag, 412) for tag in _NO_VERSION), *((tag, 400) for tag in _NO_TAG)])
def test_a_tag_that_names_no_version_is_refused(client: TestClient, spring: dict[str, Any], tag: str, status: int):
    for send in (client.patch, client.post):
        path = "/campaign/spring" + ("/pause" if send == client.post else "")
        body = {"json": {"name": "x"}} if send == client.patch else {}
        assert send(path, headers={"If-Match": tag.encode("latin-1")}, **body).status_code == status
    assert client.get("/campaign/spring").json() == spring


@pytest.mark.parametrize("tag", ["*", " * ", '"1"', '"7", "1"', 'W/"1","1"', ',, "1" ,', '"a,b",\t"1"'])
def test_a_tag_that_names_the_version_among_others_will_do(client: TestClient, spring: dict[str, Any], tag: str):
    answer = client.patch("/campaign/spring", json={"name": "x"}, headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["name"]) == (200, "x")


def test_a_stale_version_is_refused_and_the_current_one_named(client: TestClient, spring: dict[str, Any]):
    _patch(client, {"name": "first"})
    answer = _patch(client, {"name": "second"})
    assert (answer.status_code, answer.headers["etag"]) == (412, '"2"')
    assert "version 2" in answer.json()["detail"]
    assert _patch(client, {"name": "third"}, 10**17).status_code == 412
    assert client.get("/campaign/spring").json()["name"] == "first"


@pytest.mark.parametrize(
    ("patch", "named"),
    [
        ({"id": "summer"}, "$.id"),
        ({"id": None}, "id"),
        ({"budget": None}, "budget"),
        ({"budget": {"total_micros": 0}}, "$.budget.total_micros"),
        ({"budget": {"total_micros": 10**40}}, "$.budget.total_micros"),
        ({"budget": {"daily_micros": -1}}, "$.budget.daily_micros"),
        ({"budget": {"timezone": "Mars/Phobos"}}, "$.budget.timezone"),
        ({"budget": {"timezone": "../../etc/passwd"}}, "$.budget.timezone"),
        ({"flight": {"starts_at": "2026-11-27T00:00:00"}}, "$.flight.starts_at"),
        ({"flight": {"starts_at": "2026-11-27T00:00:00Z", "ends_at": "2026-11-27T01:00:00+01:00"}}, "$.flight.ends_at"),
        ({"status": "ended"}, "$.status"),
        ({"surprise": 1}, "surprise"),
        ({"number": 5}, "number"),
        ([], "object"),
        (None, "object"),
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"\xff", ""),
        (b'{"name": "\\ud800"}', ""),
        (b'{"a":' * 40_000, ""),
        (b'{"a":' * 800 + b"1" + b"}" * 800, ""),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_invalid_patch_is_told_which_field(client: TestClient, spring: dict[str, Any], patch: Any, named: str):
    answer = _patch(client, patch)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]
    assert client.get("/campaign/spring").json() == spring


def test_a_body_too_large_is_refused(client: TestClient, spring: dict[str, Any]):
    for path in ("/campaign/spring/top-up", "/campaign/create"):
        assert client.post(path, content=b" " * 300_000).status_code == 413
    assert _patch(client, b" " * 300_000).status_code == 413


@pytest.mark.parametrize("name", ["nobody", "a%00b", "%F0%9F%92%B6", "%ff"])
def test_a_campaign_that_is_not_there_is_404(client: TestClient, spring: dict[str, Any], name: str):
    path = f"/campaign/{name}"
    top_up = client.post(f"{path}/top-up", json={"micros": 1})
    answers = [client.get(path), client.get(f"{path}/history"), client.post(f"{path}/pause"), top_up]
    assert {answer.status_code for answer in [*answers, _patch(client, {}, name=name)]} == {404}


def test_pause_and_resume(client: TestClient, spring: dict[str, Any]):
    paused = client.post("/campaign/spring/pause")
    assert (paused.status_code, paused.json()["status"], paused.headers["etag"]) == (200, "paused", '"2"')
    assert client.post("/campaign/spring/pause").headers["etag"] == '"2"'
    assert client.post("/campaign/spring/resume", headers={"If-Match": '"1"'}).status_code == 412
    resumed = client.post("/campaign/spring/resume", headers={"If-Match": '"2"'})
    assert (resumed.json()["status"], resumed.json()["version"]) == ("active", 3)


def test_a_top_up_reaches_the_ledger(client: TestClient, spring: dict[str, Any]):
    answer = client.post("/campaign/spring/top-up", json={"micros": 500})
    assert answer.json()["budget"]["total_micros"] == 1_500
    assert (answer.json()["figures"]["budget_micros"], answer.json()["figures"]["available_micros"]) == (1_500, 1_500)


def test_a_top_up_repeated_with_its_version_adds_once(client: TestClient, spring: dict[str, Any]):
    sent = {"json": {"micros": 5}, "headers": {"If-Match": '"1"'}}
    answers = [client.post("/campaign/spring/top-up", **sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 412]
    assert client.get("/campaign/spring").json()["budget"]["total_micros"] == 1_005


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5",
        b"{}",
        b'{"micros": 0}',
        b'{"micros": -5}',
        b'{"micros": 1.5}',
        b'{"micros": "5"}',
        b'{"micros": 9007199254740992}',
        b'{"micros": 5, "x": 1}',
    ],
)
def test_a_top_up_that_is_none_is_refused(client: TestClient, spring: dict[str, Any], body: bytes):
    assert client.post("/campaign/spring/top-up", content=body).status_code == 422
    assert client.get("/campaign/spring").json() == spring


def test_a_lower_budget_keeps_what_is_held(client: TestClient, ledger: AwayLedger, spring: dict[str, Any]):
    asyncio.run(ledger.lease([Grant(lease=1, campaign=spring["number"], least_micros=400, share=0.0, expires=9e9)]))
    figures = _patch(client, {"budget": {"total_micros": 100}}).json()["figures"]
    assert (figures["budget_micros"], figures["available_micros"], figures["leased_micros"]) == (400, 0, 400)


def test_a_change_of_record_is_no_failure_when_the_ledger_is_away(
    client: TestClient, ledger: AwayLedger, spring: dict[str, Any]
):
    """Whoever was told of a failure would send the top-up again."""
    ledger.away = True
    answer = client.post("/campaign/spring/top-up", json={"micros": 500})
    assert (answer.status_code, answer.json()["figures"]) == (200, None)
    ledger.away = False
    assert client.get("/campaign/spring").json()["budget"]["total_micros"] == 1_500


def test_a_campaign_whose_spend_the_ledger_lost_is_changed_but_not_opened(
    client: TestClient, catalog: Catalog, ledger: AwayLedger, spring: dict[str, Any]
):
    catalog.record_spend([Spend(spring["number"], 3_600, 1, 700, 0, 0, 0)], "1-1")
    ledger._campaigns.clear()
    answer = client.post("/campaign/spring/top-up", json={"micros": 500})
    assert (answer.status_code, answer.json()["figures"]) == (200, None)
    assert client.get("/campaign/spring").json()["figures"]["budget_micros"] == 0


def test_a_campaign_that_bid_is_not_opened_in_an_empty_ledger_though_no_spend_is_known(
    client: TestClient, catalog: Catalog, ledger: AwayLedger, spring: dict[str, Any]
):
    catalog.mark_opened([spring["number"]])
    ledger._campaigns.clear()
    answer = client.post("/campaign/spring/top-up", json={"micros": 500})
    assert (answer.status_code, answer.json()["figures"]) == (200, None)
    assert client.get("/campaign/spring").json()["figures"]["budget_micros"] == 0


def test_top_ups_at_once_leave_the_ledger_with_the_budget_of_record(client: TestClient, spring: dict[str, Any]):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.post("/campaign/spring/top-up", json={"micros": 10}), range(24)))
    shown = client.get("/campaign/spring").json()
    assert shown["budget"]["total_micros"] == shown["figures"]["budget_micros"] == 1_240


def test_the_history_names_the_key_but_not_the_secret(client: TestClient, spring: dict[str, Any]):
    _patch(client, {"name": "Spring sale"})
    client.post("/campaign/spring/pause")
    lines = _history(client)
    assert [(line["action"], line["version"]) for line in lines] == [("create", 1), ("change", 2), ("pause", 3)]
    assert {line["actor"] for line in lines} == {lines[0]["actor"]}
    assert lines[0]["actor"].startswith("key:")
    assert _KEY["X-API-Key"] not in json.dumps(lines)
    assert (lines[1]["before"]["name"], lines[1]["after"]["name"]) == ("spring", "Spring sale")
    assert lines[0]["before"] is None
    assert lines[0]["at"].endswith("+00:00")
    assert len(client.get("/campaign/spring/history?limit=1").json()) == 1
    assert client.get("/campaign/spring/history?limit=0").status_code == 422


def test_nobody_changes_or_reads_without_the_key(client: TestClient, spring: dict[str, Any]):
    for headers in ({"X-API-Key": ""}, {"X-API-Key": "wrong"}):
        sent = [("PATCH", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/top-up"), ("GET", "/history")]
        answers = [client.request(verb, f"/campaign/spring{path}", headers=headers) for verb, path in sent]
        assert {answer.status_code for answer in answers} == {401}
    assert len(_history(client)) == 1


def test_the_documentation_page_knows_the_routes(client: TestClient):
    document = client.get("/openapi.json").json()
    assert {"get", "patch"} <= set(document["paths"]["/campaign/{campaign_id}"])
    assert "micros" in json.dumps(document["paths"]["/campaign/{campaign_id}/top-up"])
    assert "daily_micros" in json.dumps(document["components"]["schemas"]["Budget"])
