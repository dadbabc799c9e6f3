"""Notices over HTTP: what settles, what only looks, and what comes back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from rtb.settlement.notice_tokens import BidRef, Kind, Signer, creative_number
from tests.deployments.replica import Replica, Response

SIGNER = Signer("a secret of the tests, and long")
BID = BidRef(7, 1, 1, creative_number("banner"), 2_000, int(time.time()) + 1_000, landing="https://shop.example/")


@pytest.fixture
def replica(tmp_path: Path) -> Replica:
    return Replica(tmp_path)


def path(kind: Kind) -> str:
    return f"/notice/{kind}/{SIGNER.sign(BID, kind)}?price=1.5"


def ask(replica: Replica, path: str, method: str = "GET", **headers: str) -> Response:
    """Send a notice, which has no body."""
    sent: list[Any] = []
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    place, _, query = path.partition("?")
    scope = {"type": "http", "method": method, "path": place, "headers": named, "query_string": query.encode()}

    async def collect(message: Any) -> None:
        sent.append(message)

    asyncio.run(replica.door(scope, cast(Any, None), collect))
    start, end = sent
    return Response(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, end["body"])


def notices(replica: Replica) -> dict[str, int]:
    return {name: count for name, count in replica.counters.items() if name.startswith("notice.")}


@pytest.mark.parametrize("kind", Kind)
def test_a_head_request_counts_nothing(replica: Replica, kind: Kind):
    answer = ask(replica, path(kind), "HEAD")
    assert answer.status == (302 if kind is Kind.CLICK else 204)
    assert answer.headers["cache-control"] == "no-store"
    if kind is Kind.CLICK:
        assert urlsplit(answer.headers["location"]).netloc == "shop.example"
    assert notices(replica) == {f"notice.{kind}.looked_at": 1}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("sec-purpose", "prefetch;anonymous-client-ip"),
        ("purpose", "Prefetch"),
        ("x-purpose", "preview"),
        ("x-moz", "prefetch"),
    ],
)
def test_what_is_fetched_ahead_counts_nothing(replica: Replica, kind: Kind, header: str, value: str):
    answer = ask(replica, path(kind), **{header: value})
    assert answer.status == 403
    assert "location" not in answer.headers
    assert notices(replica) == {f"notice.{kind}.prefetch": 1}


def test_a_click_that_came_before_is_asked_again(replica: Replica):
    assert ask(replica, path(Kind.CLICK)).headers["cache-control"] == "no-store"


def test_other_methods_are_refused(replica: Replica):
    answer = ask(replica, path(Kind.BILL), "DELETE")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("kind", ["refund", "x" * 60, "BILL"])
def test_a_made_up_kind_has_no_counter_of_its_own(replica: Replica, kind: str):
    assert ask(replica, f"/notice/{kind}/token").status == 404
    assert ask(replica, f"/notice/{kind}/token", purpose="prefetch").status == 403
    assert notices(replica) == {"notice.other.unknown_kind": 1, "notice.other.prefetch": 1}


def test_a_players_events_are_counted_by_name(replica: Replica):
    for _ in range(2):
        answer = ask(replica, f"/notice/view/{BID.bid_id}?event=start")
        assert (answer.status, answer.body) == (204, b"")
    assert ask(replica, f"/notice/view/{BID.bid_id}?event=start", "HEAD").status == 204
    assert notices(replica) == {"notice.view.start": 2, "notice.view.looked_at": 1}
