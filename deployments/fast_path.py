"""The raw ASGI application in front of FastAPI: bids and notices without routing, validation layers or objects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from deployments.notice_desk import NoticeDesk
from deployments.wiring import logger
from rtb.edge import Prepared
from rtb.openrtb import InvalidRequest

if TYPE_CHECKING:
    from deployments.router import Router

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BID_PATH = "/openrtb2/bid"
NOTICE_PREFIX = "/notice/"
OPENRTB_VERSION = (b"x-openrtb-version", b"2.6")
_LOGGED_A_SECOND = 10
_TMAX_RESERVE = 0.9  # part of tmax we allow ourselves; the rest is the way back


Response = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers, body."""


class _Refused(Exception):
    """A request that gets a 4xx; `reason` is a short counter name."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class FastPath:
    """Routes by path: bids and notices here, everything else to the FastAPI application.

    Args:
        router: the replica.
        desk: settles notices.
        rest: the FastAPI application.
    """

    def __init__(self, router: Router, desk: NoticeDesk, rest: Any) -> None:
        self._router = router
        self._desk = desk
        self._rest = rest
        self._log_second, self._log_count = 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI 3 application."""
        self._router.start()
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] == "http" and path == BID_PATH:
            status, headers, body = await self._bid(scope, receive)
            await _respond(send, status, headers, body)
        elif scope["type"] == "http" and path.startswith(NOTICE_PREFIX):
            await self._notice(scope, path, send)
        else:
            await self._rest(scope, receive, send)

    async def _bid(self, scope: Scope, receive: Receive) -> Response:
        started = time.monotonic()
        self._router.tally.add("requests")
        try:
            request = await self._admit(scope, receive)
        except _Refused as refusal:
            # A 4xx without a body, as OpenRTB wants it; the reason goes to the log and the counters.
            self._router.tally.add(f"invalid.{refusal.reason}")
            self._log(f"{refusal.status} {refusal.reason}: {refusal}")
            return refusal.status, [(b"allow", b"POST")] if refusal.status == 405 else [], b""
        body, reason = await self._answer(request, started)
        if body is None:
            self._router.tally.add(f"no_bid.{reason}")
            return 204, [OPENRTB_VERSION], b""
        self._router.tally.add("bid_responses")
        return 200, [(b"content-type", b"application/json"), OPENRTB_VERSION], body

    async def _admit(self, scope: Scope, receive: Receive) -> Prepared:
        """The request, if it is one that can be answered; raises `_Refused` otherwise."""
        body = await self._read(receive)
        if scope["method"] != "POST":
            raise _Refused(405, "wrong_method", f"{scope['method']} on {BID_PATH}")
        if not self._known_key(scope):
            raise _Refused(401, "unknown_key", "X-API-Key is missing or unknown")
        if body is None:
            raise _Refused(413, "too_large", f"the body is over {self._router.settings.max_body_bytes} bytes")
        try:
            return self._router.edge.prepare(body)
        except InvalidRequest as error:
            raise _Refused(400, error.reason, str(error)) from error

    async def _answer(self, request: Prepared, started: float) -> tuple[bytes | None, str]:
        """The response's body, or `None` and why there is no bid; always within the time the exchange allows."""
        if not request.impressions:
            return None, request.reason.name.lower()
        tmax_ms = request.tmax_ms or self._router.settings.default_tmax_ms
        left = tmax_ms / 1000 * _TMAX_RESERVE - (time.monotonic() - started)
        try:
            answer = await asyncio.wait_for(self._router.bid(request), max(left, 0.0))
        except TimeoutError:
            return None, "timeout"
        except Exception as error:  # a stage died under this batch: no bid is the honest answer, never a 5xx
            self._log(f"no bid for {request.id!r}: {type(error).__name__}: {error}")
            return None, "stage_failed"
        return answer.body, answer.reason.name.lower()

    def _known_key(self, scope: Scope) -> bool:
        """A key that is sent must be known; whether one must be sent is a setting."""
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                return self._router.keys.knows(value.decode("latin-1"), "exchange")
        return not self._router.settings.require_exchange_key

    async def _read(self, receive: Receive) -> bytes | None:
        """The body, `None` when it is too large; read to its end so that the connection can be used again."""
        limit = self._router.settings.max_body_bytes
        chunks, size = [], 0
        while True:
            message = await receive()
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
            if not message.get("more_body"):
                break
        if size > limit:
            return None
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _notice(self, scope: Scope, path: str, send: Send) -> None:
        if scope["method"] not in ("GET", "POST", "HEAD"):
            await _respond(send, 405, [(b"allow", b"GET, POST")], b"")
            return
        reply = await self._desk.handle(path, scope.get("query_string", b""))
        kind = path.split("/", 3)[2]
        self._router.tally.add(f"notice.{kind if reply.outcome != 'unknown_kind' else 'other'}.{reply.outcome}")
        for name in reply.besides:
            self._router.tally.add(f"notice.{kind}.{name}")
        headers = [(b"location", reply.location.encode())] if reply.location else []
        if reply.status == 503:
            headers.append((b"retry-after", b"1"))
        if reply.message:
            self._log(f"notice {kind} {reply.status} {reply.outcome}: {reply.message}")
            headers.append((b"content-type", b"text/plain; charset=utf-8"))
        await _respond(send, reply.status, headers, reply.message.encode())

    def _log(self, message: str) -> None:
        """Log, but not so much that a flood of rubbish floods the disk: the counters have them all."""
        second = int(time.monotonic())
        if second != self._log_second:
            self._log_second, self._log_count = second, 0
        self._log_count += 1
        if self._log_count <= _LOGGED_A_SECOND:
            logger.warning(message)


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    no_body = status == 204
    length = [] if no_body else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers + length})
    await send({"type": "http.response.body", "body": b"" if no_body else body})
