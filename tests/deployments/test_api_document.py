"""The OpenAPI document tells the truth: schemathesis calls everything in it, on a platform in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks
from schemathesis.generation.modes import GenerationMode

from raybid.local import ports
from rtb.models import policy
from rtb.models.policy import neutral
from rtb.models.registry import Registry
from tests.conftest import Valkey
from tests.deployments.in_process import ADMIN_KEY, Platform, running
from tests.rtb.builders import make_campaign

_KEY = {"X-API-Key": ADMIN_KEY}

_CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def platform(valkey_server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    valkey_server.flush()
    with running(valkey_server, tmp_path_factory.mktemp("var"), ports.free_port()) as platform:
        platform.register(make_campaign("spring"))
        yield platform


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


def published(platform: Platform, folder: Path) -> list[Path]:
    """Two policies, one after the other, so that there is one to go back to."""
    registry = Registry(platform.router.parts.stores.settings.published_dir, "policy")
    made = []
    for value in (1.0, 2.0):
        candidate = neutral()
        candidate.layers[0][1][0] = value
        policy.save(folder / str(value), candidate, metrics={}, trained_on="nothing")
        with registry.deciding():
            registry.decide("published", registry.add(folder / str(value)).version, "a test")
        made.append(folder / str(value))
    return made


def test_every_body_has_an_example_that_works(platform: Platform):
    artefacts = published(platform, Path(platform.router.parts.stores.settings.var_dir) / "trained")
    document = httpx.get(f"{platform.url}/openapi.json").json()
    order = ["/campaign/create", "/campaign/{campaign_id}/creatives", "/portfolio/create"]
    paths = sorted(document["paths"], key=lambda path: order.index(path) if path in order else len(order))
    seen = 0
    with platform.client() as client:
        for portfolio in client.get("/portfolio").json():  # that others made of the same campaign
            version = {"If-Match": f'"{portfolio["version"]}"'}
            assert client.delete(f"/portfolio/{portfolio['id']}", headers=version).status_code == 204
        for path in paths:
            for method, call in document["paths"][path].items():
                for kind, content in call.get("requestBody", {}).get("content", {}).items():
                    example = content["example"]
                    if path == "/auction-result":
                        example = example | {"token": client.post("/bid", json={"w": 300, "h": 250}).json()["token"]}
                    if path.endswith("/creatives"):
                        example = example | {"id": "another"}
                    if path.endswith("/publish"):
                        example = example | {"folder": str(artefacts[0])}
                    headers = {"Content-Type": kind}
                    url = path.replace("{campaign_id}", "spring").replace("{portfolio_id}", "season")
                    url = url.replace("{kind}", "policy")
                    if method == "patch":
                        headers["If-Match"] = client.get(url).headers["etag"]
                    if path == "/campaign/create":
                        example = example | {"id": "example"}
                    answer = client.request(method, url, content=json.dumps(example), headers=headers)
                    wanted = (409,) if path.endswith("/publish") else (200, 201, 204)  # no Ray here, so no jobs
                    assert answer.status_code in wanted, (path, answer.text)
                    seen += 1
    assert seen == 13


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
