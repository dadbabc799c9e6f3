"""Types and helpers shared by the raw ASGI endpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from deployments.callers import Scope
from deployments.intake import Receive

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Response = tuple[int, Headers, bytes]
"""Status, headers, body."""


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a response; a 204 has no body."""
    no_body = status == 204
    length = [] if no_body else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers + length})
    await send({"type": "http.response.body", "body": b"" if no_body else body})
