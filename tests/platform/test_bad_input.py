"""Rubbish gets a clear 4xx, is counted, and leaves the replica as it was."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from simulation import reference
from tests.support import until

pytestmark = pytest.mark.cluster

VALID = {
    "id": "r1",
    "imp": [{"id": "1", "banner": {"w": 300, "h": 250}}],
    "site": {"domain": "news.example"},
    "device": {"devicetype": 2},
}


def counters(api: httpx.Client, admin: dict[str, str]) -> dict[str, int]:
    found: dict[str, int] = api.get("/stats", headers=admin).json()["counters"]
    return found


@pytest.mark.parametrize(
    ("body", "status", "counter"),
    [
        (b"", 400, "invalid.not_json"),
        (b"this is not JSON", 400, "invalid.not_json"),
        (b"\xff\xfe\x00", 400, "invalid.not_json"),
        (b'{"id": "r1", "imp": [{"id": "1"', 400, "invalid.not_json"),
        (b"[" * 50_000, 400, "invalid.not_json"),
        (b'{"id": "r1", "imp": "none"}', 400, "invalid.wrong_type"),
        (b'{"id": {}, "imp": []}', 400, "invalid.wrong_type"),
        (b'{"id": "r1"}', 400, "invalid.wrong_type"),
        (b'{"id": "r1", "imp": []}', 400, "invalid.no_imp"),
        (b'{"id": "", "imp": [{"id": "1"}]}', 400, "invalid.no_id"),
        (b'{"id": "r1", "imp": [{"id": "1", "bidfloor": -1}]}', 400, "invalid.bad_floor"),
        (b" " * 10_000_000, 413, "invalid.too_large"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, bytes) else str(value),
)
def test_a_bad_request_is_refused_without_a_body_and_counted(
    api: httpx.Client, admin: dict[str, str], body: bytes, status: int, counter: str
) -> None:
    before = counters(api, admin).get(counter, 0)
    answer = api.post("/openrtb2/bid", content=body)
    assert (answer.status_code, answer.content) == (status, b"")
    until(lambda: counters(api, admin).get(counter, 0) > before, 10, "it is not counted", every=0.1)
    assert counters(api, admin)[counter] == before + 1


def test_a_request_that_deserves_no_bid_gets_204_without_a_body(api: httpx.Client) -> None:
    answer = api.post("/openrtb2/bid", json={**VALID, "imp": [{"id": "1", "banner": {"w": 1, "h": 1}}]})
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_told_the_right_one(api: httpx.Client, method: str) -> None:
    answer = api.request(method, "/openrtb2/bid")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_an_unknown_key_is_refused_and_a_known_one_is_not(api: httpx.Client, admin: dict[str, str]) -> None:
    assert api.post("/openrtb2/bid", json=VALID, headers={"X-API-Key": "wrong"}).status_code == 401
    assert api.post("/openrtb2/bid", json=VALID, headers=admin).status_code in (200, 204)
    assert httpx.get(f"{api.base_url}/campaigns").status_code == 401
    assert api.get("/campaigns", headers={"X-API-Key": "wrong"}).status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/notice/bill/forged?price=1", 403),
        ("/notice/bill/%00%ff?price=1", 403),
        ("/notice/bill/", 403),
        ("/notice/nothing/abc", 404),
        ("/notice/bill", 404),
        ("/notice/", 404),
        ("/nowhere", 404),
    ],
)
def test_a_notice_of_nothing_is_refused_with_a_reason(api: httpx.Client, path: str, status: int) -> None:
    answer = api.get(path)
    assert answer.status_code == status
    assert answer.text
    assert "Traceback" not in answer.text


def test_an_unknown_campaign_is_404(api: httpx.Client, admin: dict[str, str]) -> None:
    answer = api.get("/campaign/nobody", headers=admin)
    assert answer.status_code == 404
    assert "nobody" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"budget": {"total_micros": 0}}, "total_micros"),
        ({"budget": {"total_micros": 10**18}}, "total_micros"),
        ({"goal": {"kind": "fame", "value_micros": 1}}, "kind"),
        ({"creatives": []}, "creatives"),
        ({"id": "no spaces allowed"}, "id"),
        ({"surprise": 1}, "surprise"),
        ({"adomain": "not-a-list"}, "adomain"),
    ],
)
def test_a_bad_campaign_is_told_which_field(
    api: httpx.Client, admin: dict[str, str], change: dict[str, object], named: str
) -> None:
    campaign = msgspec.to_builtins(reference.campaigns(1)[0])
    answer = api.post("/campaign/create", json={**campaign, "id": "bad", **change}, headers=admin)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]
    assert api.get("/campaign/bad", headers=admin).status_code == 404


def test_a_campaign_cannot_be_created_twice(api: httpx.Client, admin: dict[str, str]) -> None:
    answer = api.post("/campaign/create", content=msgspec.json.encode(reference.campaigns(1)[0]), headers=admin)
    assert answer.status_code == 409


def test_after_all_of_it_the_platform_bids(api: httpx.Client) -> None:
    assert api.get("/health").json()["status"] == "ok"
    assert api.post("/openrtb2/bid", json=VALID).status_code in (200, 204)
