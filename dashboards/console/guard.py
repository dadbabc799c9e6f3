"""Access control of the console: an ASGI layer in front of Streamlit, for every request and websocket.

The console acts with an administrator's key, so whoever opens it has an administrator's rights. A request must name a
known host (a foreign page can make its own name resolve to 127.0.0.1), come from the console's own pages if it says
where from, and carry the token: once as `?token=`, later in a cookie. Answers cannot be framed and load nothing from
elsewhere, so that a text from an outsider cannot reveal who reads it.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = "/_stcore/health"
"""Path answered without a token: it says `ok`, and container health checks ask it."""

_ASK = "This console requires its token: open the address printed at its start, which ends in ?token=...\n"
_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # plotly and Streamlit's table compile code
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """An ASGI layer that checks host, origin and token.

    Args:
        app: application to guard.
        token: required token.
        hosts: names and addresses under which it may be opened, without ports.
        cookie: name of the token's cookie; one per port, since cookies ignore ports.
    """

    def __init__(self, app: Application, token: str, hosts: frozenset[str], cookie: str) -> None:
        self._app, self._token, self._hosts, self._cookie = app, token, hosts, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        refused = self._refusal(scope, headers)
        if refused is not None:
            await _answer(scope, receive, send, status=refused[0], text=refused[1])
        elif self._brought(scope) and scope["type"] == "http":
            await _answer(scope, receive, send, status=303, text="", more=self._kept(scope, headers))
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[str, list[str]]) -> tuple[int, str] | None:
        """Return status and reason of a refusal, or None if the request is allowed."""
        named = headers.get("host", [])
        if len(named) != 1 or _hostname(named[0]) not in self._hosts:
            return 421, "This host name is not allowed: RAYBID_CONSOLE_NAMES lists the allowed ones.\n"
        for origin in headers.get("origin", []):
            if urlsplit(origin).netloc.lower() != named[0].lower():
                return 403, "This request comes from another page.\n"
        if scope["path"] == HEALTH or self._brought(scope) or self._remembered(headers):
            return None
        return 401, _ASK

    def _brought(self, scope: Scope) -> bool:
        """Return whether the address has the token."""
        return scope["type"] == "http" and any(
            name == "token" and self._is_token(value) for name, value in _query(scope)
        )

    def _remembered(self, headers: dict[str, list[str]]) -> bool:
        jar: SimpleCookie = SimpleCookie()
        for line in headers.get("cookie", []):
            try:
                jar.load(line)
            except CookieError:
                continue
        return self._cookie in jar and self._is_token(jar[self._cookie].value)

    def _is_token(self, value: str) -> bool:
        return hmac.compare_digest(value.encode(), self._token.encode())

    def _kept(self, scope: Scope, headers: dict[str, list[str]]) -> dict[str, str]:
        """Return headers that store the token and redirect to the same page without it in the address."""
        rest = urlencode([pair for pair in _query(scope) if pair[0] != "token"])
        path = quote("/" + scope["path"].lstrip("/\\"))  # never //host, which would lead elsewhere
        is_tls = scope.get("scheme") == "https" or headers.get("x-forwarded-proto", [""])[0] == "https"
        kept = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if is_tls else ''}"
        return {"location": path + (f"?{rest}" if rest else ""), "set-cookie": kept}


def _hostname(host: str) -> str:
    """Return the name in a Host header, in lower case; empty if invalid."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _with_headers(send: Send) -> Send:
    """Return a `send` that sets the security headers on every answer."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            kept = [pair for pair in message.get("headers", []) if pair[0].decode("latin-1").lower() not in HEADERS]
            message["headers"] = [*kept, *_encoded(HEADERS)]
        await send(message)

    return sending


async def _answer(
    scope: Scope, receive: Receive, send: Send, *, status: int, text: str, more: dict[str, str] | None = None
) -> None:
    """Send a short answer; close a websocket before it opens."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store", **HEADERS, **(more or {})}
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": text.encode()})


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
