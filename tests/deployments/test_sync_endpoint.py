"""User syncs over HTTP: whose they are, what they are counted as, and how they are limited."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from deployments.guard import SYNCS_A_MINUTE
from rtb.user_sync import SyncIds
from rtb.user_sync.cookies import SHARED
from tests.deployments.replica import USER_SECRET, Replica, Response

QUERY = "r=https%3A%2F%2Fpbs.example%2Fsetuid%3Fuid%3D$UID"
IDS = SyncIds(USER_SECRET)


@pytest.fixture
def replica(tmp_path: Path) -> Replica:
    folder = tmp_path / "exchanges"
    folder.mkdir()
    profile = {"name": "acme", "user_sync": {"hosts": ["pbs.example"]}}
    (folder / "acme.yaml").write_text(yaml.safe_dump(profile))
    (folder / "bad.yaml").write_text(yaml.safe_dump({**profile, "name": "bad", "qps": -1}))
    return Replica(tmp_path, exchanges_dir=folder)


def ask(
    replica: Replica, path: str = "/sync/acme", query: str = QUERY, method: str = "GET", **headers: str
) -> tuple[Response, list[str]]:
    """Return the answer and the cookies that it sets."""
    sent: list[Any] = []
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": named, "query_string": query.encode()}

    async def collect(message: Any) -> None:
        sent.append(message)

    asyncio.run(replica.door(scope, cast(Any, None), collect))
    start, end = sent
    told = {name.decode(): value.decode() for name, value in start["headers"]}
    cookies = [value.decode() for name, value in start["headers"] if name == b"set-cookie"]
    return Response(start["status"], told, end["body"]), cookies


def syncs(replica: Replica) -> dict[str, int]:
    return {name: count for name, count in replica.counters.items() if name.startswith("sync.")}


def test_a_sync_redirects_and_is_counted_by_exchange(replica: Replica) -> None:
    answer, (first, _) = ask(replica)
    assert answer.status == 302
    id = first.partition("=")[2].partition(";")[0]
    assert answer.headers["location"] == f"https://pbs.example/setuid?uid={id}"
    assert IDS.is_ours(id)
    again, cookies = ask(replica, cookie=f"{SHARED}={id}")
    assert (again.headers["location"], cookies) == (answer.headers["location"], [])
    assert syncs(replica) == {"sync.acme.issued": 1, "sync.acme.kept": 1}


def test_no_answer_is_stored_or_names_the_page(replica: Replica) -> None:
    for answer, _ in (ask(replica), ask(replica, query="f=i"), ask(replica, query="")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("form", "kind", "start"), [("i", "image/gif", b"GIF89a"), ("b", "text/html", b"<!doctype")])
def test_a_pixel_and_an_empty_page(replica: Replica, form: str, kind: str, start: bytes) -> None:
    answer, cookies = ask(replica, query=f"f={form}")
    assert (answer.status, len(cookies)) == (200, 2)
    assert answer.headers["content-type"].startswith(kind)
    assert answer.body.startswith(start)


@pytest.mark.parametrize("header", [{"sec_gpc": "1"}, {"dnt": "1"}])
def test_a_browser_that_opts_out_gets_no_id(replica: Replica, header: dict[str, str]) -> None:
    answer, cookies = ask(replica, cookie=f"{SHARED}={IDS.make()}", **header)
    assert answer.headers["location"] == "https://pbs.example/setuid?uid="
    assert cookies == [f"{SHARED}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=None"]
    assert syncs(replica) == {"sync.acme.withdrawn": 1}


@pytest.mark.parametrize(
    "path", ["/sync/", "/sync/nobody", "/sync/bad", "/sync/openrtb26", "/sync/acme/", "/sync//acme", "/sync/ACME"]
)
def test_an_exchange_without_user_sync_has_no_such_page(replica: Replica, path: str) -> None:
    answer, cookies = ask(replica, path)
    assert (answer.status, cookies) == (404, [])
    assert "location" not in answer.headers
    assert syncs(replica) == {"sync.other.unknown_exchange": 1}


@pytest.mark.parametrize("method", ["POST", "HEAD", "DELETE", "OPTIONS"])
def test_another_method_is_refused(replica: Replica, method: str) -> None:
    answer, _ = ask(replica, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert syncs(replica) == {"sync.acme.wrong_method": 1}


def test_a_foreign_target_is_a_security_event(replica: Replica) -> None:
    answer, cookies = ask(replica, query="r=https://evil.example/?uid=$UID")
    assert (answer.status, cookies) == (403, [])
    assert "location" not in answer.headers
    assert b"host of this exchange" in answer.body
    assert b"evil" not in answer.body
    assert (syncs(replica), replica.counters["security.sync_foreign"]) == ({"sync.acme.foreign_target": 1}, 1)


def test_cookies_too_large_to_read_are_refused(replica: Replica) -> None:
    answer, cookies = ask(replica, cookie=f"{SHARED}={IDS.make()}; x={'x' * 9_000}")
    assert (answer.status, cookies) == (431, [])
    assert syncs(replica) == {"sync.acme.long_headers": 1}


def test_a_forged_cookie_is_counted_and_replaced(replica: Replica) -> None:
    answer, cookies = ask(replica, cookie=f"{SHARED}={'a' * 32}")
    assert (answer.status, len(cookies)) == (302, 2)
    assert syncs(replica) == {"sync.acme.issued": 1, "sync.acme.forged_cookie": 1}


def test_an_address_has_so_many_syncs_a_minute(replica: Replica) -> None:
    for _ in range(SYNCS_A_MINUTE):
        assert ask(replica)[0].status == 302
    answer, cookies = ask(replica)
    assert (answer.status, cookies) == (429, [])
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert syncs(replica) == {"sync.acme.issued": SYNCS_A_MINUTE, "sync.acme.limited": 1}
