"""The raw ASGI application in front of FastAPI: bids and notices without routing, validation layers or objects."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from deployments.api.access import CALLER
from deployments.callers import Scope, key_in, path_in
from deployments.gzip_coding import BadGzip, TooLarge, accepts_gzip, deflate, inflate
from deployments.intake import Crowded, LargeBody, Receive, SlowBody, read_body
from deployments.notice_desk import NoticeDesk
from deployments.wiring import logger
from rtb.admission import Shed
from rtb.batch import Prepared
from rtb.exchanges import SHARED_ENDPOINT, Profile, key_id, number_of
from rtb.limits import Limit
from rtb.openrtb import InvalidRequest, NoBid
from rtb.security import Event

if TYPE_CHECKING:
    from deployments.api.app import Rest
    from deployments.router import Router

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
_Done = TypeVar("_Done")

BID_PATH = SHARED_ENDPOINT
BID_PREFIX = "/openrtb2/"
NOTICE_PREFIX = "/notice/"
_LOGGED_A_SECOND = 10
_TURNS = 4
"""Calls that need no key and are worked on at a time."""

_COMPRESSED_FROM = 1_024  # bytes; less fits one packet either way
_SHED = {"qps", *Shed}
"""Reasons that are about how much comes, not about what comes."""

_TURNED_AWAY = (401, 403, 404, 405, 429)
"""Answers to those who may not bid here; what is wrong with a request that may is said at once."""

_SUSPICIOUS: dict[str, Event] = {
    "forged": "notice_forged",
    "above_bid": "notice_above_bid",
    "foreign_network": "notice_foreign",
}
"""Outcomes of notices that are events of security."""

_CLOSE: Headers = [(b"connection", b"close")]
_TMAX = b'"tmax"'
_MILLISECONDS = re.compile(rb'\s*:\s*"?([0-9]{1,9})')


Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Response = tuple[int, Headers, bytes]
"""Status, headers, body."""


class _Refused(Exception):
    """A request that gets a 4xx; `reason` is a short counter name."""

    def __init__(self, status: int, reason: str, message: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.headers = list(headers)


class _Silence(NamedTuple):
    """Why there is no bid: a counter's name, and what an exchange that wants to know is told."""

    counter: str
    code: NoBid


class _Head(NamedTuple):
    """What the headers of a bid request say."""

    size: int
    key: str | None
    encoding: bytes
    accepts: bytes
    version: bytes


class FastPath:
    """Routes by path: bids and notices here, everything else to the FastAPI application.

    Attributes:
        held: requests that are all there and not answered yet.
        is_at_root: whether paths are as Serve's applications see them: a call has come by way of Serve, and no prefix
            was before its path.

    Args:
        router: the replica.
        desk: settles notices.
        rest: the API.
    """

    def __init__(self, router: Router, desk: NoticeDesk, rest: Rest) -> None:
        self._router = router
        self._desk = desk
        self._rest = rest
        self._limits = {one.name: Limit(one.qps, 1 + one.qps / 2) for one in router.exchanges if one.qps}
        self._log_second, self._log_count = 0, 0
        self._turns = asyncio.Semaphore(_TURNS)
        self.is_at_root = False
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI 3 application."""
        self._router.start()
        path = path_in(scope)
        if scope["type"] == "http" and path.startswith(BID_PREFIX):
            since = time.monotonic()
            status, headers, body = await self._bid(scope, path, receive, since)
            self._router.timings.note("request", "bid", time.monotonic() - since)
            await _respond(send, status, headers, body)
        elif scope["type"] == "http" and path.startswith(NOTICE_PREFIX):
            since = time.monotonic()
            await self._notice(scope, path, send)
            self._router.timings.note("request", "notice", time.monotonic() - since)
        elif scope["type"] == "http" and CALLER not in scope:
            self.is_at_root = not scope.get("root_path")
            await self.admit(scope, receive, send, self._called)
        else:
            await self._called(scope, receive, send)

    async def admit(self, scope: Scope, receive: Receive, send: Send, then: Application) -> None:
        """Pass a call of the API on, or refuse it. What anybody may ask waits its turn, so that bids need not."""
        refusal = self._rest.gate.refusal(scope)
        if refusal is not None:
            await self._router.guard.slow_down(scope)
            await refusal(scope, receive, send)
        elif scope[CALLER].key is None and self._rest.gate.is_open(path_in(scope)):
            async with self._turns:
                await then(scope, receive, send)
        else:
            await then(scope, receive, send)

    async def _called(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A call of the API: one that brings a body is held once that is there."""
        held = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal held
            message = await receive()
            if not held and not message.get("more_body"):
                held = 1
                self.held += 1
            return message

        try:
            await self._rest(scope, counted, send)
        finally:
            self.held -= held

    async def _bid(self, scope: Scope, path: str, receive: Receive, started: float) -> Response:
        self._router.tally.add("requests")
        profile = None
        head = _read_head(scope["headers"])
        try:
            profile = self._identify(scope, path, head)  # first: nothing is read for whoever has no key
            body = await self._read(receive)
            return await self._held(self._serve(profile, head, body, started))
        except _Refused as refusal:
            # A 4xx without a body, as OpenRTB wants it; the reason goes to the log and the counters.
            self._router.tally.add(f"invalid.{refusal.reason}")
            if profile is not None:
                self._router.tally.add(f"exchange.{profile.name}.refused")
            self._log(f"{refusal.status} {refusal.reason}: {refusal}")
            if refusal.status in _TURNED_AWAY:
                await self._router.guard.slow_down(scope)
            return refusal.status, refusal.headers, b""

    async def _held(self, work: Awaitable[_Done]) -> _Done:
        """Count a request while it is worked on."""
        self.held += 1
        try:
            return await work
        finally:
            self.held -= 1

    async def _serve(self, profile: Profile, head: _Head, sent: bytes | LargeBody, started: float) -> Response:
        """Answer a request of a known exchange, or shed it; what is shed before it is read gets 204 everywhere."""
        read = time.monotonic()
        self._router.tally.add(f"exchange.{profile.name}.requests")
        limit = self._limits.get(profile.name)
        if limit is not None and not self._router.limiter.allow(f"exchange:{profile.name}", limit):
            return self._no_bid(profile, "", _Silence("qps", NoBid.TECHNICAL))
        body = self._inflated(sent, head.encoding)
        tells = profile.no_bid == "nbr"  # and needs the request's id for it
        if not tells and (shed := self._shed(profile, _peek_tmax(body), started)):
            return self._no_bid(profile, "", shed)
        try:
            caller = number_of(key_id(head.key)) if head.key else 0
            request = self._router.edge.prepare(body, profile, caller)
        except InvalidRequest as error:
            raise _Refused(400, error.reason, str(error)) from error
        if tells and (shed := self._shed(profile, request.tmax_ms, started)):
            return self._no_bid(profile, request.id, shed)
        answer = await self._answer(request, started + self._seconds(profile, request.tmax_ms), read)
        if isinstance(answer, _Silence):
            return self._no_bid(profile, request.id, answer)
        self._router.tally.add("bid_responses")
        self._router.tally.add(f"exchange.{profile.name}.bid_responses")
        self._router.tally.add(f"exchange.{profile.name}.bid")
        return self._json(profile, answer, head)

    def _identify(self, scope: Scope, path: str, head: _Head) -> Profile:
        """The exchange that a request is of; raises `_Refused` where it may not bid."""
        method = scope["method"]
        if head.size > self._router.settings.max_header_bytes:
            raise _Refused(431, "long_headers", f"the headers have {head.size} bytes")
        if method != "POST":
            raise _Refused(405, "wrong_method", f"{method} on {path}", [(b"allow", b"POST")])
        if not self._router.exchanges.has(path):
            raise _Refused(404, "unknown_exchange", f"no exchange has the endpoint {path!r}")
        self._admit(scope, head.key)
        key = key_id(head.key) if head.key else ""
        profile = self._router.exchanges.of(path, key)
        if profile is None or (profile.keys and key not in profile.keys):
            self._router.guard.log.note("scope_missing", f"key:{key}", path)
            raise _Refused(403, "foreign_key", f"the key is not one of the exchange at {path}")
        if head.version and not head.version.startswith(b"2."):
            self._router.tally.add("unknown_openrtb_version")
        return profile

    def _admit(self, scope: Scope, secret: str | None) -> None:
        """A key that is sent must be known; whether one must be sent is a setting. Raises `_Refused`."""
        guard = self._router.guard
        if secret is None:
            if self._router.settings.require_exchange_key or not guard.callers.is_local(scope):
                guard.log.note("key_missing", guard.callers.group(scope), scope["path"])
                raise _Refused(401, "unknown_key", "X-API-Key is missing or unknown")
            return
        key = None if guard.is_locked(scope) else self._router.keys.find(secret)
        if key is None:
            if not guard.wrong_key(scope, self._router.keys.revoked_id(secret)):
                raise _Refused(429, "key_guessing", "too many wrong keys came from one address")
            raise _Refused(401, "unknown_key", "X-API-Key is missing or unknown")
        if not key.allows("exchange"):
            guard.log.note("scope_missing", f"key:{key.id}", scope["path"])
            raise _Refused(401, "unknown_key", "the key is not an exchange's")

    def _inflated(self, body: bytes | LargeBody, encoding: bytes) -> bytes:
        limit = self._router.settings.max_body_bytes
        if isinstance(body, LargeBody):
            raise _Refused(413, "too_large", str(body)) from body
        if encoding in (b"", b"identity"):
            return body
        if encoding not in (b"gzip", b"x-gzip"):
            raise _Refused(415, "unknown_encoding", f"Content-Encoding {encoding!r}", [(b"accept-encoding", b"gzip")])
        try:
            return inflate(body, limit)
        except BadGzip as error:
            raise _Refused(400, "not_gzip", str(error)) from error
        except TooLarge as error:
            raise _Refused(413, "too_large", str(error)) from error

    def _seconds(self, profile: Profile, tmax_ms: int) -> float:
        """How long an answer may take here."""
        if not tmax_ms or profile.quirks.ignore_tmax:
            tmax_ms = profile.default_tmax_ms or self._router.settings.default_tmax_ms
        return (tmax_ms - profile.network_allowance_ms) / 1_000

    def _shed(self, profile: Profile, tmax_ms: int, started: float) -> _Silence | None:
        """Why this request is not begun, if it is not."""
        left = self._seconds(profile, tmax_ms) - (time.monotonic() - started)
        shed = self._router.sheds(left) if left > 0 else None  # who gives no time is told so below, not shed
        return _Silence(shed, NoBid.INSUFFICIENT_TIME) if shed else None

    async def _answer(self, request: Prepared, deadline: float, read: float) -> bytes | _Silence:
        """The response's body, or why there is no bid; always within the time the exchange allows."""
        if not request.impressions:
            return _Silence(request.reason.name.lower(), request.reason)
        if deadline <= time.monotonic():
            return _Silence("insufficient_time", NoBid.INSUFFICIENT_TIME)
        try:
            answer = await self._router.bid(request, deadline, read)
        except TimeoutError:
            return _Silence("timeout", NoBid.INSUFFICIENT_TIME)
        except Exception as error:  # a stage died under this batch: no bid is the honest answer, never a 5xx
            self._log(f"no bid for {request.id!r}: {type(error).__name__}: {error}")
            return _Silence("stage_failed", NoBid.TECHNICAL)
        if time.monotonic() > deadline:  # the event loop was too busy to say so before
            return _Silence("timeout", NoBid.INSUFFICIENT_TIME)
        return answer.body or _Silence(answer.reason.name.lower(), answer.reason)

    def _no_bid(self, profile: Profile, request_id: str, why: _Silence) -> Response:
        """204, or the reason where the exchange wants it and the request was read."""
        self._router.tally.add(f"no_bid.{why.counter}")
        self._router.tally.add(f"exchange.{profile.name}.{'shed' if why.counter in _SHED else 'no_bid'}")
        version = _version_of(profile)
        is_told = profile.no_bid == "nbr" and request_id and (why.code < NoBid.NO_CANDIDATE or profile.own_reasons)
        if not is_told:
            return 204, [version], b""
        body = msgspec.json.encode({"id": request_id, "nbr": int(why.code)})
        return 200, [(b"content-type", b"application/json"), version], body

    def _json(self, profile: Profile, body: bytes, head: _Head) -> Response:
        headers = [(b"content-type", b"application/json"), _version_of(profile)]
        if profile.gzip and len(body) >= _COMPRESSED_FROM:
            headers.append((b"vary", b"accept-encoding"))
            if accepts_gzip(head.accepts):
                return 200, [*headers, (b"content-encoding", b"gzip")], deflate(body)
        return 200, headers, body

    async def _read(self, receive: Receive) -> bytes | LargeBody:
        """The body, or that it is too large, which who has no key is not told."""
        try:
            return await read_body(receive, self._router.settings.max_body_bytes)
        except LargeBody as error:
            return error
        except SlowBody as error:
            raise _Refused(408, "slow_body", str(error), _CLOSE) from error
        except Crowded as error:
            raise _Refused(429, "crowded", str(error), [*_CLOSE, (b"retry-after", b"1")]) from error

    async def _notice(self, scope: Scope, path: str, send: Send) -> None:
        if scope["method"] not in ("GET", "POST", "HEAD"):
            await _respond(send, 405, [(b"allow", b"GET, POST")], b"")
            return
        address = self._router.guard.callers.address(scope)
        reply = await self._held(self._desk.handle(path, scope.get("query_string", b""), address))
        kind = path.split("/", 3)[2]
        self._router.tally.add(f"notice.{kind if reply.outcome != 'unknown_kind' else 'other'}.{reply.outcome}")
        for name in reply.besides:
            self._router.tally.add(f"notice.{kind}.{name}")
        for name in _SUSPICIOUS.keys() & {reply.outcome, *reply.besides}:
            guard = self._router.guard
            guard.log.note(_SUSPICIOUS[name], guard.callers.group(scope), f"notice {kind}")
        if reply.outcome == "forged":
            await self._router.guard.slow_down(scope)
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


def _read_head(headers: Sequence[tuple[bytes, bytes]]) -> _Head:
    """What we read of the headers; their names come in lower case (ASGI)."""
    found = dict(headers)
    return _Head(
        sum(map(len, chain.from_iterable(headers))),
        key_in(found),
        found.get(b"content-encoding", b"").strip().lower(),
        found.get(b"accept-encoding", b""),
        found.get(b"x-openrtb-version", b"").strip(),
    )


def _peek_tmax(body: bytes) -> int:
    """What `tmax` seems to be, 0 when there seems to be none: for shedding before the body is decoded."""
    place = body.find(_TMAX)  # far quicker than a search by a pattern
    if place < 0:
        return 0
    found = _MILLISECONDS.match(body, place + len(_TMAX))
    return int(found[1]) if found else 0


def _version_of(profile: Profile) -> tuple[bytes, bytes]:
    return b"x-openrtb-version", profile.version.encode()


async def _respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    no_body = status == 204
    length = [] if no_body else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers + length})
    await send({"type": "http.response.body", "body": b"" if no_body else body})
