"""Who may call, how often, and what every refusal looks like."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from sqlalchemy import create_engine, text

from deployments.wiring import logger
from tests.conftest import Valkey
from tests.deployments.in_process import ADMIN_KEY, Platform, running
from tests.rtb.builders import make_campaign
from tests.support import until

_PROBLEM = {"type", "title", "status", "detail", "instance"}


@pytest.fixture(scope="module")
def platform(valkey_server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    valkey_server.flush()
    secrets: dict[str, Any] = {
        "exchange_keys": "an exchange's key of the tests",
        "notice_secret": "a notice secret of the tests",
    }
    with running(valkey_server, tmp_path_factory.mktemp("var"), **secrets) as platform:
        platform.register(make_campaign("spring"))
        yield platform


@pytest.fixture
def client(platform: Platform) -> Iterator[httpx.Client]:
    platform.router.parts.access.guard.guesses._counts.clear()  # these tests try more wrong keys than an address may
    with platform.client() as client:
        yield client


def _make(client: httpx.Client, *scopes: str, **fields: Any) -> dict[str, Any]:
    answer = client.post("/admin/keys", json={"name": "tests", "scopes": scopes, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _status(client: httpx.Client, key: str, method: str, path: str, body: Any = None) -> int:
    return client.request(method, path, headers={"X-API-Key": key}, json=body).status_code


_CALLS: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/campaigns", None, {"report", "admin"}),
    ("GET", "/campaign/spring", None, {"report", "admin"}),
    ("GET", "/campaign/spring/history", None, {"report", "admin"}),
    ("GET", "/campaign/spring/creatives", None, {"report", "admin"}),
    ("GET", "/campaign/spring/creatives/banner", None, {"report", "admin"}),
    ("GET", "/portfolio", None, {"report", "admin"}),
    ("GET", "/portfolio/season", None, {"report", "admin"}),
    ("GET", "/portfolio/season/history", None, {"report", "admin"}),
    ("GET", "/portfolio/season/what-if?strategy=dual", None, {"report", "admin"}),
    ("GET", "/stats", None, {"report", "admin"}),
    ("GET", "/explain/{bid_id}", None, {"report", "admin"}),
    ("GET", "/metrics", None, {"report", "admin"}),
    ("POST", "/bid", {"w": 1, "h": 1}, {"exchange", "admin"}),
    ("POST", "/bid/batch", {"bids": [{"w": 1, "h": 1}]}, {"exchange", "admin"}),
    ("POST", "/auction-result", {}, {"exchange", "admin"}),
    ("POST", "/openrtb2/bid", {"id": "1", "imp": [{"id": "1"}]}, {"exchange", "admin"}),
    ("POST", "/campaign/create", {}, {"admin"}),
    ("PATCH", "/campaign/spring", {}, {"admin"}),
    ("DELETE", "/campaign/spring", None, {"admin"}),
    ("POST", "/campaign/spring/pause", None, {"admin"}),
    ("POST", "/campaign/spring/resume", None, {"admin"}),
    ("POST", "/campaign/spring/top-up", {}, {"admin"}),
    ("POST", "/campaign/spring/creatives", {}, {"admin"}),
    ("DELETE", "/campaign/spring/creatives/none", None, {"admin"}),
    ("POST", "/portfolio/create", {}, {"admin"}),
    ("PATCH", "/portfolio/season", {}, {"admin"}),
    ("DELETE", "/portfolio/season", None, {"admin"}),
    ("GET", "/admin/keys", None, {"admin"}),
    ("POST", "/admin/keys", {}, {"admin"}),
    ("DELETE", "/admin/keys/none", None, {"admin"}),
    ("POST", "/admin/stop", None, {"admin"}),
    ("POST", "/admin/start", None, {"admin"}),
    ("DELETE", "/users/nobody", None, {"admin"}),
    ("GET", "/admin/settings", None, {"admin"}),
    ("GET", "/admin/exchanges", None, {"admin"}),
    ("GET", "/admin/artefacts", None, {"admin"}),
    ("GET", "/admin/experiment", None, {"admin"}),
    ("GET", "/models", None, {"admin"}),
    ("GET", "/models/ctr", None, {"admin"}),
    ("POST", "/models/ctr/rollback", {}, {"admin"}),
    ("POST", "/models/ctr/publish", {}, {"admin"}),
    ("GET", "/models/ctr/publish/none", None, {"admin"}),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    _CALLS,
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value)[:30],
)
def test_a_key_may_do_what_its_scope_says(client: httpx.Client, method: str, path: str, body: Any, allowed: set[str]):
    for scope in ("exchange", "report", "admin"):
        key = _make(client, scope)["key"]
        refused = _status(client, key, method, path, body) in (401, 403)
        assert refused == (scope not in allowed), scope
    assert _status(client, "wrong", method, path, body) == 401


class _Named(dict[str, str]):
    """Names that stand for a parameter of a path; a parameter without one stays as it is."""

    def __missing__(self, parameter: str) -> str:
        return f"{{{parameter}}}"


def test_every_call_of_the_document_is_in_that_table(client: httpx.Client):
    document = client.get("/openapi.json").json()
    open_to_all = {"/health", "/health/live", "/health/ready", "/notice/{kind}/{token}", "/sync/{exchange}"}
    documented = {
        (method.upper(), path.format_map(_Named(campaign_id="spring", portfolio_id="season", kind="ctr")))
        for path, calls in document["paths"].items()
        for method in calls
        if path not in open_to_all
    }
    named = {
        "banner": "{creative_id}",
        "creatives/none": "creatives/{creative_id}",
        "keys/none": "keys/{key_id}",
        "users/nobody": "users/{user_id}",
        "publish/none": "publish/{job}",
    }
    tabled = set()
    for method, asked, _, _ in _CALLS:
        path = asked.partition("?")[0]
        ends = [(known, name) for known, name in named.items() if path.endswith(known)]
        tabled.add((method, path.removesuffix(ends[0][0]) + ends[0][1] if ends else path))
    assert documented == tabled


def test_a_key_is_shown_once_and_refused_when_revoked(platform: Platform, client: httpx.Client):
    made = _make(client, "report", per_minute=100)
    assert len(made["key"]) >= 43  # 32 random bytes
    assert _status(client, made["key"], "GET", "/campaigns") == 200
    listed = client.get("/admin/keys").json()
    assert made["key"] not in json.dumps(listed)
    (mine,) = [key for key in listed if key["id"] == made["id"]]
    assert mine == {name: value for name, value in made.items() if name != "key"}
    revoked = client.delete(f"/admin/keys/{made['id']}")
    assert (revoked.status_code, revoked.json()["revoked_at"] is not None) == (200, True)
    assert _status(client, made["key"], "GET", "/campaigns") == 401
    assert client.delete(f"/admin/keys/{made['id']}").json() == revoked.json()
    assert client.delete("/admin/keys/nobody").status_code == 404


def test_what_another_replica_revoked_is_refused_soon(platform: Platform, client: httpx.Client):
    made = _make(client, "report")
    platform.router.parts.stores.catalog.keys.revoke(made["id"])
    until(lambda: _status(client, made["key"], "GET", "/campaigns") == 401, 20)


def test_the_settings_keys_stand(client: httpx.Client):
    standing = [key for key in client.get("/admin/keys").json() if key["created_by"] == "settings"]
    assert [key["scopes"] for key in standing] == [["exchange"], ["admin"]]
    assert {client.delete(f"/admin/keys/{key['id']}").status_code for key in standing} == {409}
    assert _status(client, "an exchange's key of the tests", "POST", "/bid", {"w": 1, "h": 1}) == 200


@pytest.mark.parametrize(
    "body", [{}, {"name": "", "scopes": ["admin"]}, {"name": "x", "scopes": []}, {"name": "x", "scopes": ["root"]}]
)
def test_a_key_that_is_none_is_refused(client: httpx.Client, body: Any):
    assert client.post("/admin/keys", json=body).status_code == 422


def test_creating_a_key_again_tells_the_same_secret(client: httpx.Client, platform: Platform):
    headers = {"Idempotency-Key": "make my key"}
    body = {"name": "again", "scopes": ["report"]}
    answers = [client.post("/admin/keys", json=body, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true", "true"]
    assert _status(client, answers[2].json()["key"], "GET", "/campaigns") == 200
    assert len([key for key in client.get("/admin/keys").json() if key["name"] == "again"]) == 1
    engine = create_engine(platform.router.parts.stores.settings.catalog_url)
    with engine.connect() as connection:
        kept = str(connection.execute(text("SELECT body FROM receipts")).all())
    engine.dispose()
    assert answers[0].json()["id"] in kept
    assert answers[0].json()["key"] not in kept


def test_creations_happen_once(client: httpx.Client):
    body = _campaign(client) | {"id": "once"}
    headers = {"Idempotency-Key": "create"}
    answers = [client.post("/campaign/create", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["etag"] == answers[1].headers["etag"] == '"1"'
    assert client.post("/campaign/create", json=body | {"name": "x"}, headers=headers).status_code == 422
    assert client.post("/campaign/create", json=body).status_code == 409
    top_up: dict[str, Any] = {"headers": {"Idempotency-Key": "top up"}, "json": {"micros": 5}}
    assert {client.post("/campaign/once/top-up", **top_up).status_code for _ in range(3)} == {200}
    assert client.get("/campaign/once").json()["budget"]["total_micros"] == body["budget"]["total_micros"] + 5
    other = client.post("/campaign/spring/top-up", **top_up)  # of another campaign
    assert (other.status_code, other.json()["type"]) == (422, "urn:raybid:problem:idempotency-key-reused")
    for wrong in ("", "x" * 256, "caf\u00e9"):
        sent = {b"Idempotency-Key": wrong.encode("latin-1")}
        assert client.post("/campaign/once/top-up", json={"micros": 5}, headers=sent).status_code == 400


def test_too_many_calls_of_one_key_are_refused_and_of_others_not(client: httpx.Client):
    made = _make(client, "report", per_minute=60)
    answers = [client.get("/campaign/spring", headers={"X-API-Key": made["key"]}) for _ in range(90)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert int(refused[0].headers["retry-after"]) >= 1
    assert (refused[0].json()["status"], set(refused[0].json())) == (429, _PROBLEM)
    assert client.get("/campaign/spring").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/%ff%00", 404),
        ("POST", "/campaigns", 405),
        ("DELETE", "/bid", 405),
        ("GET", "/campaigns?limit=many", 422),
        ("GET", "/campaigns?status=gone", 422),
        ("GET", "/campaign/nobody", 404),
        ("POST", "/bid", 422),
        ("PATCH", "/campaign/spring", 428),
    ],
)
def test_every_refusal_is_a_problem_document(client: httpx.Client, method: str, path: str, status: int):
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (set(problem), problem["status"]) == (_PROBLEM, status)
    assert problem["type"].startswith("urn:raybid:problem:")
    assert ("allow" in answer.headers) == (status == 405)


def test_bodies_too_deep_or_too_large_are_refused(client: httpx.Client):
    for path in ("/bid", "/bid/batch", "/campaign/create", "/admin/keys", "/auction-result"):
        assert client.post(path, content=b'{"a":' * 33 + b"1" + b"}" * 33).json()["detail"].endswith("32 deep")
        assert client.post(path, content=b"[" * 100_000).status_code == 422
        assert client.post(path, content=b" " * 3_000_000).status_code == 413
    text = {"w": 1, "h": 1, "page": "[" * 100 + '"{' * 50}
    assert client.post("/bid", json=text).status_code == 200


def test_an_error_nobody_expected_says_nothing_of_itself(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage() + str(record.exc_info))

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a secret in an error")

    handler = Lines()
    logger.addHandler(handler)
    monkeypatch.setattr(platform.router.parts.stores.catalog, "get", fail)
    answer = client.get("/campaign/spring")
    until(lambda: any("ZeroDivisionError" in line for line in lines))  # it is written after the answer is sent
    logger.removeHandler(handler)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    (line,) = [line for line in lines if "ZeroDivisionError" in line]
    assert "test_api_keys.py" in line
    for told in (answer.text, *lines):
        assert "a secret in an error" not in told
        assert "Traceback" not in told


def test_settings_are_shown_without_secrets(client: httpx.Client):
    told = client.get("/admin/settings")
    assert told.json()["calls_per_minute"] == 1_000_000
    for secret in (ADMIN_KEY, "an exchange's key of the tests", "a notice secret of the tests"):
        assert secret not in told.text


def test_an_archived_campaign_is_gone_but_for_its_records(client: httpx.Client):
    body = {"id": "old", **{k: v for k, v in _campaign(client).items() if k != "id"}}
    client.post("/campaign/create", json=body)
    assert client.delete("/campaign/old").status_code == 428
    assert client.delete("/campaign/old", headers={"If-Match": '"9"'}).status_code == 412
    gone = client.delete("/campaign/old", headers={"If-Match": '"1"'})
    assert (gone.status_code, gone.json()["status"], gone.json()["figures"]["budget_micros"]) == (
        200,
        "archived",
        body["budget"]["total_micros"],
    )
    assert client.post("/campaign/old/resume").json()["type"].endswith("campaign-archived")
    assert "old" not in [campaign["id"] for campaign in client.get("/campaigns").json()]
    assert [campaign["id"] for campaign in client.get("/campaigns?status=archived").json()] == ["old"]
    assert client.get("/campaign/old/history").json()[-1]["action"] == "archive"


def test_creatives_over_rest(client: httpx.Client):
    client.post("/campaign/create", json=_campaign(client) | {"id": "shows"})
    path = "/campaign/shows/creatives"
    creative = client.get(path).json()[0] | {"id": "second", "w": 320, "h": 50}
    assert client.post(path, json=creative, headers={"If-Match": '"2"'}).status_code == 412
    assert client.post(path, json=creative, headers={"If-Match": '"1"'}).status_code == 201
    assert client.post(path, json=creative).status_code == 409
    assert client.get(f"{path}/second").json() == creative
    assert client.delete(f"{path}/banner").status_code == 200
    assert client.delete(f"{path}/banner").status_code == 404
    assert client.delete(f"{path}/second").status_code == 422
    assert [one["id"] for one in client.get(path).json()] == ["second"]


def test_pages_follow_their_links(client: httpx.Client):
    for number in range(5):
        client.post("/campaign/create", json=_campaign(client) | {"id": f"page-{number}"})
    seen, path = [], "/campaigns?limit=2&q=PAGE-"
    while path:
        answer = client.get(path)
        seen += [campaign["id"] for campaign in answer.json()]
        following = answer.links.get("next", {}).get("url", "")
        path = following and urljoin(path, following)
        assert "/" not in following  # so it is right below any prefix
    assert seen == [f"page-{number}" for number in range(5)]


def _campaign(client: httpx.Client) -> dict[str, Any]:
    """Return a body that creates a campaign like spring, without the fields that the catalog adds."""
    found: dict[str, Any] = client.get("/campaign/spring").json()
    own = ("number", "version", "created_at", "figures", "over_budget_micros")
    return {name: value for name, value in found.items() if name not in own}


def test_the_first_run_makes_a_key_readable_by_its_owner_only(valkey_server: Valkey, tmp_path: Path):
    with running(valkey_server, tmp_path, admin_key="") as platform:
        kept = tmp_path / "secrets" / "admin_key"
        assert kept.stat().st_mode & 0o777 == 0o600
        with platform.client(kept.read_text()) as client:
            assert client.get("/admin/keys").status_code == 200
        with platform.client(None) as client:
            assert client.get("/admin/keys").status_code == 401
