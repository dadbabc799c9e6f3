"""What every REST answer has, what texts may hold, and who changed what."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from deployments.guard import GUESSES_A_MINUTE
from tests.deployments.in_process import Platform

_BANNER = {"id": "b", "w": 300, "h": 250, "landing_url": "https://shop.example/"}


@pytest.mark.parametrize(
    "path", ["/campaigns", "/stats", "/health", "/nowhere", "/admin/keys", "/docs", "/openapi.json"]
)
def test_browsers_are_told_to_be_strict(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
    if path != "/docs":
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("sign", ["\0", "\n", "\r", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066"])
@pytest.mark.parametrize("place", ["landing_url", "image_url", "display"])
def test_texts_have_no_signs_that_nobody_sees(client: httpx.Client, sign: str, place: str) -> None:
    creative = _BANNER | {"image_url": "https://c.example/a.png"}
    told: dict[str, Any] = {"id": "x", "name": "x", "adomain": ["shop.example"]}
    told["goal"] = {"kind": "click", "value_micros": 1}
    told |= {"budget": {"total_micros": 1, "flight_seconds": 1}}
    if place == "display":
        told["name"] = f"x{sign}y"
    else:
        creative[place] = f"https://shop.example/a{sign}b"
    answer = client.post("/campaign/create", json=told | {"creatives": [creative]})
    assert answer.status_code == 422
    assert client.post("/admin/keys", json={"name": f"a{sign}b", "scopes": ["report"]}).status_code == 422


@pytest.mark.parametrize("name", [".", "..", "x\n", "a b", ""])
def test_ids_are_no_paths(client: httpx.Client, name: str) -> None:
    banner = _BANNER | {"image_url": "https://c.example/a.png"}
    told: dict[str, Any] = {"id": name, "name": "x", "adomain": ["shop.example"]}
    told["goal"] = {"kind": "click", "value_micros": 1}
    told |= {"budget": {"total_micros": 1, "flight_seconds": 1}, "creatives": [banner]}
    assert client.post("/campaign/create", json=told).status_code == 422


def test_changes_and_refusals_are_counted(platform: Platform, client: httpx.Client) -> None:
    before = client.get("/stats").json()["counters"]
    made = client.post("/admin/keys", json={"name": "report", "scopes": ["report"]}).json()
    reader = {"X-API-Key": made["key"]}
    assert client.post("/campaign/spring/pause", headers=reader).status_code == 403
    assert client.delete(f"/admin/keys/{made['id']}").status_code == 200
    assert client.get("/campaigns", headers=reader).status_code == 401
    assert client.post("/openrtb2/bid", headers=reader, json={}).status_code == 401
    assert client.post("/campaign/spring/pause").status_code == 200
    assert client.post("/campaign/spring/resume").status_code == 200
    assert client.get("/notice/bill/forged").status_code == 403
    after = client.get("/stats").json()["counters"]
    grown = {name: after[name] - before.get(name, 0) for name in after if name.startswith("security.")}
    expected = {"key_created": 1, "scope_missing": 1, "key_deleted": 1, "key_revoked": 2, "campaign_changed": 2}
    assert {name: grown[f"security.{name}"] for name in expected} == expected
    assert grown["security.notice_forged"] == 1
    assert 'raybid_security_events_total{event="key_revoked"}' in client.get("/metrics").text


def test_forged_notices_are_slowed_down_and_others_are_not(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed: list[str] = []

    async def slow_down(scope: dict[str, Any]) -> None:
        slowed.append(scope["path"])

    monkeypatch.setattr(platform.router.parts.access.guard, "slow_down", slow_down)
    while not (bid := client.post("/bid", json={"w": 300, "h": 250}).json())["bid"]:  # a lease may be renewed just now
        pass
    assert client.get("/notice/bill/forged").status_code == 403
    assert client.get(bid["notices"]["loss"]).is_success
    assert slowed == ["/notice/bill/forged"]


def test_wrong_keys_are_limited_on_both_ways_and_good_ones_go_on(platform: Platform, client: httpx.Client) -> None:
    for _ in range(GUESSES_A_MINUTE):
        client.post("/openrtb2/bid", headers={"X-API-Key": "wrong"}, json={})
    assert client.post("/openrtb2/bid", headers={"X-API-Key": "wrong"}, json={}).status_code == 429
    refused = client.get("/campaigns", headers={"X-API-Key": "wrong"})
    assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (429, True)
    assert client.get("/metrics").status_code == 200
    assert client.get("/health/live").status_code == 200
    platform.router.parts.access.guard.guesses._counts.clear()
