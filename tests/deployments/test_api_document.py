"""The OpenAPI document tells the truth: schemathesis calls everything in it, on a platform in this process."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urljoin

import httpx
import jsonschema
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks
from schemathesis.generation.modes import GenerationMode

from deployments import publishing
from deployments.api import examples
from deployments.bootstrap.router import RouterParts, api_routers
from rtb.catalog import CatalogError
from rtb.experiment import Experiment
from tests.deployments.in_process import ADMIN_KEY, Platform, publish

_KEY = {"X-API-Key": ADMIN_KEY}

_CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def document(platform: Platform) -> Any:
    return schemathesis.openapi.from_url(f"{platform.url}/openapi.json")


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_call_keeps_to_the_document(platform: Platform, document: Any, mode: GenerationMode):
    """What the document allows, and what it does not: neither is ever answered with what it does not say."""
    called = set()
    for found in document.get_all_operations():
        operation = found.ok()
        called.add(operation.label)
        if mode is GenerationMode.NEGATIVE and not _asks(document, operation):
            continue  # nothing can be wrong about it

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=settings().max_examples // 4, deadline=None, suppress_health_check=list(HealthCheck))
        def call(case: Any) -> None:
            case.call_and_validate(headers=_KEY, checks=_CHECKS)

        call()
    assert len(called) == sum(len(calls) for calls in document.raw_schema["paths"].values()) > 25
    with platform.client() as client:
        assert client.get("/health").json()["status"] == "ok"


def _asks(document: Any, operation: Any) -> bool:
    """Whether a call has parameters or a body."""
    said = document.raw_schema["paths"][operation.path][operation.method]
    return bool(said.get("parameters")) or "requestBody" in said


_FIRST = ("/bid", "/campaign/create", "/campaign/{campaign_id}/creatives", "/portfolio/create")


def _turn(call: tuple[str, str]) -> tuple[bool, int, int]:
    """Sort calls: what others need first, what removes things last."""
    method, path = call
    return method == "delete", _FIRST.index(path) if path in _FIRST else len(_FIRST), -len(path)


def _answers(parts: RouterParts) -> dict[tuple[str, str, int], Any]:
    """Return the types of good answers by method, path and status."""
    routers = api_routers(parts.stores, parts.access, parts.trading, parts.replica)
    routes: list[Any] = [route for one in routers for route in one.routes]
    return {
        (method.lower(), route.path_format, status): content["schema"].kind
        for route in routes
        for status, said in route.responses.items()
        for content in said.get("content", {}).values()
        for method in route.methods
        if status < 300
    }


def _away(*told: Any) -> None:
    raise CatalogError("the disk is full")


def test_every_example_works_and_every_good_answer_is_of_its_type(platform: Platform, monkeypatch: pytest.MonkeyPatch):
    folder = Path(platform.router.parts.stores.settings.var_dir)
    for multiplier in (1.0, 2.0):  # so that there is one to go back to
        publish(folder, multiplier)
    for name in ("start", "look"):  # no Ray here, so no jobs
        monkeypatch.setattr(publishing, name, lambda *told: publishing.Publication("job", "pending", ""))
    ran = Experiment(number=1, kind="policy", version="v", folder="", share=0.5, salt="", started=1.0)
    monkeypatch.setattr(platform.router.parts.replica.experiment, "experiment", ran)
    document = httpx.get(f"{platform.url}/openapi.json").json()
    kinds, seen = _answers(platform.router.parts), set()
    names = {"campaign_id": "example", "creative_id": "another", "portfolio_id": "season", "kind": "policy"}
    names |= {"job": "job", "user_id": "u-1"}
    other: dict[str, dict[str, Any]] = {"/campaign/create": {"id": "example"}}
    other |= {
        "/campaign/{campaign_id}/creatives": {"id": "another"},
        "/models/{kind}/publish": {"folder": str(folder / "candidate")},
    }
    with platform.client() as client:

        def call(method: str, path: str) -> Any:
            said = document["paths"][path][method]
            ((media, body),) = said.get("requestBody", {}).get("content", {"": {}}).items()
            content = json.dumps(body["example"] | other.get(path, {})) if body else None
            headers, query = {"Content-Type": media, "If-Match": "*"}, {"strategy": "dual", "limit": "9"}
            answer = client.request(method, path.format_map(names), content=content, headers=headers, params=query)
            kind = kinds.get((method, path, answer.status_code))
            assert kind is not None, (method, path, answer.text)
            seen.add((method, path, answer.status_code))
            if kind is str:
                return None
            schema = said["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
            jsonschema.validate(answer.json(), schema | {"components": document["components"]})
            assert msgspec.json.encode(msgspec.json.decode(answer.content, type=kind)) == answer.content
            return answer.json()

        for portfolio in client.get("/portfolio").json():  # that others made of the same campaign
            assert client.delete(f"/portfolio/{portfolio['id']}", headers={"If-Match": "*"}).status_code == 204
        client.post("/admin/start")
        for method, path in sorted({(method, path) for method, path, _ in kinds}, key=_turn):
            told = call(method, path)
            if path == "/bid":
                names["bid_id"], other["/auction-result"] = told["bid_id"], {"token": told["token"]}
            if (method, path) == ("post", "/admin/keys"):
                names["key_id"] = told["id"]
        names["campaign_id"] = "spring"
        for method, path, change in (
            ("post", "/campaign/{campaign_id}/pause", "pause"),
            ("delete", "/campaign/{campaign_id}", "archive"),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(platform.router.parts.stores.catalog, change, _away)
                assert call(method, path)["status"] == "stopped"
        assert client.post("/openrtb2/bid", json=examples.OPENRTB).status_code in (200, 204)
    assert seen == set(kinds)
    others = {(path, method) for path, calls in document["paths"].items() for method in calls}
    assert others - {(path, method) for method, path, _ in kinds} == {
        ("/openrtb2/bid", "post"),
        ("/notice/{kind}/{token}", "get"),
        ("/sync/{exchange}", "get"),
        ("/portfolio/{portfolio_id}", "delete"),  # 204
    }
    leaves = {path: (get_args(kind) or (kind,))[-1] for (_, path, _), kind in kinds.items()}
    untyped = {
        path for path, leaf in leaves.items() if not (isinstance(leaf, type) and issubclass(leaf, msgspec.Struct))
    }
    assert untyped == {"/admin/settings", "/metrics"}


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
@pytest.mark.parametrize("prefix", ["", "/raybid", "/a/b"])
def test_the_documentation_needs_nobody_else_under_any_prefix(platform: Platform, page: str, prefix: str):
    html = httpx.get(f"{platform.url}{page}").text
    loaded = re.findall(r"""["']([^"'\s]+\.(?:js|css|png|json))["']""", html)
    assert {address.rpartition(".")[2] for address in loaded} >= {"js", "png", "json"}
    for address in loaded:
        path = urljoin(f"{prefix}{page}", address)
        assert path.startswith(f"{prefix}/")
        assert httpx.get(f"{platform.url}{path.removeprefix(prefix)}").status_code == 200


def test_calls_of_the_document_go_where_it_is(platform: Platform):
    (server,) = httpx.get(f"{platform.url}/openapi.json").json()["servers"]
    assert urljoin("http://x/raybid/openapi.json", server["url"]) == "http://x/raybid/"


@pytest.mark.parametrize("path", ["/docs/", "/campaigns/", "/health/"])
def test_nothing_leads_past_a_prefix(platform: Platform, path: str):
    with platform.client() as client:
        answer = client.get(path)
    assert (answer.status_code, "location" in answer.headers) == (404, False)
