"""Who may open the console, asked of the guard alone and of a console that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.console.guard import HEADERS, HEALTH, Guard

TOKEN = "t" * 32
HOSTS = frozenset(["localhost", "127.0.0.1", "::1", "console.example"])
SHOWN = 200


async def shown(scope: Any, receive: Any, send: Any) -> None:
    """Stands in for Streamlit; it says something about frames that may not stay."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    told = [(b"X-Frame-Options", b"ALLOWALL"), (b"x-other", b"kept")]
    await send({"type": "http.response.start", "status": SHOWN, "headers": told})
    await send({"type": "http.response.body", "body": b"the page"})


def asked(
    headers: list[tuple[str, str]], *, kind: str = "http", path: str = "/", query: str = "", scheme: str = "http"
) -> list[dict[str, Any]]:
    """Return the guard's answer to a request."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "scheme": scheme,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    asyncio.run(Guard(shown, TOKEN, HOSTS, "raybid_console_1")(scope, receive, send))
    return sent


def headers_of(sent: list[dict[str, Any]]) -> Mapping[str, str]:
    pairs = [(name.decode().lower(), value.decode()) for name, value in sent[0]["headers"]]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


HOST = ("host", "127.0.0.1:8501")
COOKIE = ("cookie", f"other=1; raybid_console_1={TOKEN}")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8501", SHOWN),
        ("localhost", SHOWN),
        ("LOCALHOST.:8501", SHOWN),
        ("[::1]:8501", SHOWN),
        ("console.example", SHOWN),
        ("rebound.example:8501", 421),
        ("127.0.0.1.rebound.example", 421),
        ("localhost@rebound.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
@pytest.mark.parametrize("path", ["/", HEALTH, "/static/index.js"])
def test_only_known_host_names_are_answered(host: str, status: int, path: str) -> None:
    assert asked([("host", host), COOKIE], path=path)[0]["status"] == status


def test_a_request_with_no_host_or_two_is_refused() -> None:
    assert asked([COOKIE])[0]["status"] == 421
    assert asked([HOST, ("host", "rebound.example"), COOKIE])[0]["status"] == 421


@pytest.mark.parametrize("path", ["/", "/_stcore/stream", "/_stcore/host-config", "/media/x.csv", "/_stcore/agent/mcp"])
def test_nothing_but_health_is_shown_without_the_token(path: str) -> None:
    for headers in ([HOST], [HOST, ("cookie", "raybid_console_1=wrong")], [HOST, ("cookie", "raybid_console_1=\x9f;")]):
        sent = asked(headers, path=path, query="token=wrong")
        assert sent[0]["status"] == 401
        assert b"the page" not in sent[1]["body"]
        assert asked(headers, kind="websocket", path=path)[0] == {"type": "websocket.close", "code": 1008}
    assert asked([HOST], path=HEALTH)[0]["status"] == SHOWN


def test_the_token_in_an_address_becomes_a_cookie_and_leaves_the_address() -> None:
    sent = asked([HOST], query=f"tab=Money&token={TOKEN}")
    told = headers_of(sent)
    assert (sent[0]["status"], told["location"]) == (303, "/?tab=Money")
    assert told["set-cookie"] == f"raybid_console_1={TOKEN}; Path=/; HttpOnly; SameSite=Lax"
    assert asked([HOST, ("cookie", told["set-cookie"].partition(";")[0])])[0]["status"] == SHOWN
    assert "Secure" in headers_of(asked([HOST, ("x-forwarded-proto", "https")], query=f"token={TOKEN}"))["set-cookie"]


@pytest.mark.parametrize("path", ["//evil.example/", "///evil.example", "/\\evil.example", "/a\r\nx: y"])
def test_the_way_on_stays_on_this_host(path: str) -> None:
    location = headers_of(asked([HOST], path=path, query=f"token={TOKEN}"))["location"]
    assert location.startswith("/")
    assert location[1:2] not in ("/", "\\")
    assert "\n" not in location


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:3000", "http://localhost:8501", "null"])
def test_other_pages_neither_read_nor_connect_with_the_viewers_cookie(kind: str, origin: str) -> None:
    first = asked([HOST, COOKIE, ("origin", origin)], kind=kind, path="/_stcore/stream")[0]
    assert first == {"type": "websocket.close", "code": 1008} if kind == "websocket" else first["status"] == 403
    own = asked([HOST, COOKIE, ("origin", "http://127.0.0.1:8501")], kind="websocket")
    assert own == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("headers", [[HOST], [HOST, COOKIE], [("host", "rebound.example")]])
def test_every_answer_forbids_frames_and_what_lies_elsewhere(headers: list[tuple[str, str]]) -> None:
    told = headers_of(asked(headers))
    assert HEADERS.items() <= told.items()
    assert told["x-frame-options"] == "DENY"
    policy = dict(part.split(" ", 1) for part in told["content-security-policy"].split("; "))
    assert (policy["frame-ancestors"], policy["img-src"], policy["connect-src"]) == (
        "'none'",
        "'self' data: blob:",
        "'self'",
    )


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_other_token_opens_it(cookie: str, query: str) -> None:
    headers = [HOST, ("cookie", f"raybid_console_1={cookie.encode('ascii', 'ignore').decode()}")]
    quoted = query.encode("ascii", "ignore").decode()
    assert asked(headers, query=f"token={quoted}")[0]["status"] == 401
