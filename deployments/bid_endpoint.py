"""The endpoint for exchanges: a bid request from its headers to its response."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import msgspec

from deployments.asgi import Headers, Response
from deployments.auction_runner import AuctionRunner
from deployments.callers import Scope, key_in
from deployments.guard import AccessGuard
from deployments.gzip_coding import BadGzip, GzipTooLarge, accepts_gzip, deflate, inflate
from deployments.intake import Crowded, LargeBody, Receive, SlowBody, read_body
from deployments.large_bodies import LargeBodies
from deployments.scaling import HeldRequests
from deployments.stage_call import StageUnavailable
from deployments.tally import Tally
from deployments.wiring import LimitedLog
from rtb.auction.admission import ShedReason
from rtb.auction.batch import Prepared
from rtb.auction.edge import Edge
from rtb.catalog import KeyRing
from rtb.exchanges import Exchanges, Profile, key_id, number_of
from rtb.inventory.blocks import CONTENT_1
from rtb.openrtb import InvalidRequest, NoBid
from rtb.openrtb.protobuf import encode_protobuf
from rtb.openrtb.response import NoBidResponse
from rtb.runtime.rate_limits import Limit, Limiter
from rtb.runtime.settings import Settings

_GZIP_MAGIC = b"\x1f\x8b"
_ANNOUNCED = frozenset({b"gzip=1", b"gzip=true"})
_COMPRESSED_FROM = 1_024  # bytes; less fits one packet either way
_SHED = {"qps", "large_bodies", *ShedReason}
"""Reasons that depend on load, not on the request."""

_TURNED_AWAY = (401, 403, 404, 405, 429)
"""Statuses that callers who may not bid here get, late; a faulty request of a known exchange is answered at once."""

_PROTOBUF = b"application/x-protobuf"
_PROTOBUF_TYPES = (_PROTOBUF, b"application/protobuf")
_JSON = b"application/json"

_TAXONOMIES = 100  # AdCOM's list has ten
_SHOWN_PARTS = 3  # of `/openrtb2/<name>/...`: what stands before the first slash counts

_CLOSE: Headers = [(b"connection", b"close")]
_TMAX = b'"tmax"'
_MILLISECONDS = re.compile(rb'\s*:\s*"?([0-9]{1,9})')


class _Refused(Exception):
    """A request that gets a 4xx; `reason` is a short counter name."""

    def __init__(self, status: int, reason: str, message: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.headers = list(headers)


class _NoBid(NamedTuple):
    """A no-bid: the name of its counter, and the reason code for exchanges that ask for one."""

    counter: str
    code: NoBid


class _RequestHeaders(NamedTuple):
    """The headers of a bid request that are read."""

    size: int
    key: str | None
    encoding: bytes
    accepts: bytes
    version: bytes
    has_gpc: bool
    is_protobuf: bool


@dataclass(eq=False)
class BidEndpoint:
    """Answers bid requests of exchanges."""

    _settings: Settings
    _exchanges: Exchanges
    _keys: KeyRing
    _guard: AccessGuard
    _limiter: Limiter
    _edge: Edge
    _runner: AuctionRunner
    _tally: Tally
    _held: HeldRequests
    _log: LimitedLog

    def __post_init__(self) -> None:
        self._large = LargeBodies()
        self._limits = {one.name: Limit(one.qps, 1 + one.qps / 2) for one in self._exchanges if one.qps}

    async def answer(self, scope: Scope, path: str, receive: Receive, started: float) -> Response:
        """Answer a bid request that came at the monotonic second `started`."""
        self._tally.add("requests")
        profile = None
        head = _read_headers(scope["headers"])
        path, key = self._exchanges.addressed(path, scope.get("query_string", b""))
        if key is not None:  # what is written of the request from here on does not hold it
            scope, head = {**scope, "path": path}, head._replace(key=head.key or key)
        try:
            profile = self._identify(scope, path, head)  # first: nothing is read for whoever has no key
            body = await self._read(receive)
            if profile.quirks.gzip_by_query and not head.encoding:
                is_gzip = _is_gzip_by_query(scope.get("query_string", b""), body)
                head = head._replace(encoding=b"gzip") if is_gzip else head
            return await self._held.during(self._serve(profile, head, body, started))
        except _Refused as refusal:
            # A 4xx without a body, as OpenRTB wants it; the reason goes to the log and the counters.
            self._tally.add(f"invalid.{refusal.reason}")
            if profile is not None:
                self._tally.add(f"exchange.{profile.name}.refused")
            self._log.warning(f"{refusal.status} {refusal.reason}: {refusal}")
            if refusal.status in _TURNED_AWAY:
                await self._guard.slow_down(scope)
            return refusal.status, refusal.headers, b""

    async def _serve(
        self, profile: Profile, head: _RequestHeaders, sent: bytes | LargeBody, started: float
    ) -> Response:
        """Answer a request of a known exchange, or shed it: before it is decoded always with 204."""
        read = time.monotonic()
        self._tally.add(f"exchange.{profile.name}.requests")
        limit = self._limits.get(profile.name)
        if limit is not None and not self._limiter.allow(f"exchange:{profile.name}", limit):
            return self._no_bid(profile, "", _NoBid("qps", NoBid.TECHNICAL))
        body = self._inflated(sent, head.encoding)
        if head.is_protobuf and body.startswith(b"{"):  # no message begins so, and callers may say anything
            head = head._replace(is_protobuf=False)
        if wait := self._large.wait(profile.name, len(body)):
            if wait == math.inf:
                return self._no_bid(profile, "", _NoBid("large_bodies", NoBid.TECHNICAL))
            await asyncio.sleep(wait)
        tells = profile.no_bid == "nbr"  # and needs the request's id for it
        if not tells and (shed := self._shed(profile, _peek_tmax(body), started)):
            return self._no_bid(profile, "", shed)
        try:
            caller = number_of(key_id(head.key)) if head.key else 0
            request = self._edge.prepare(body, profile, caller, has_gpc=head.has_gpc, is_protobuf=head.is_protobuf)
        except InvalidRequest as error:
            raise _Refused(400, error.reason, str(error)) from error
        if tells and (shed := self._shed(profile, request.tmax_ms, started)):
            return self._no_bid(profile, request.id, shed, is_protobuf=head.is_protobuf)
        answer = await self._answer(request, started + self._seconds(profile, request.tmax_ms), read)
        if isinstance(answer, _NoBid):
            return self._no_bid(profile, request.id, answer, is_protobuf=head.is_protobuf)
        self._tally.add("bid_responses")
        self._tally.add(f"exchange.{profile.name}.bid_responses")
        self._tally.add(f"exchange.{profile.name}.bid")
        return self._bids(profile, answer, head)

    def _identify(self, scope: Scope, path: str, head: _RequestHeaders) -> Profile:
        """Return the exchange of a request; raise `_Refused` where the caller may not ask for bids."""
        method = scope["method"]
        if head.size > self._settings.max_header_bytes:
            raise _Refused(431, "long_headers", f"the headers have {head.size} bytes")
        if method != "POST":
            raise _Refused(405, "wrong_method", f"{method} on {_shown(path)}", [(b"allow", b"POST")])
        if not self._exchanges.has(path):
            raise _Refused(404, "unknown_exchange", f"no exchange has the endpoint {_shown(path)!r}")
        self._admit(scope, head.key)
        key = key_id(head.key) if head.key else ""
        profile = self._exchanges.of(path, key)
        if profile is None or (profile.keys and key not in profile.keys):
            self._guard.log.note("scope_missing", f"key:{key}", path)
            raise _Refused(403, "foreign_key", f"the key is not one of the exchange at {path}")
        if head.version and not head.version.startswith(b"2."):
            self._tally.add("unknown_openrtb_version")
        return profile

    def _admit(self, scope: Scope, secret: str | None) -> None:
        """Raise `_Refused` unless the key is known, or none is sent and none is required."""
        guard = self._guard
        if secret is None:
            if self._settings.require_exchange_key or not guard.callers.is_local(scope):
                guard.log.note("key_missing", guard.callers.group(scope), scope["path"])
                raise _Refused(401, "unknown_key", "X-API-Key is missing or unknown")
            return
        key = None if guard.is_locked(scope) else self._keys.find(secret)
        if key is None:
            if not guard.wrong_key(scope, self._keys.revoked_id(secret)):
                raise _Refused(429, "key_guessing", "too many wrong keys came from one address")
            raise _Refused(401, "unknown_key", "X-API-Key is missing or unknown")
        if not key.allows("exchange"):
            guard.log.note("scope_missing", f"key:{key.id}", scope["path"])
            raise _Refused(401, "unknown_key", "the key is not an exchange's")

    def _inflated(self, body: bytes | LargeBody, encoding: bytes) -> bytes:
        limit = self._settings.max_body_bytes
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
        except GzipTooLarge as error:
            raise _Refused(413, "too_large", str(error)) from error

    def _seconds(self, profile: Profile, tmax_ms: int) -> float:
        """Return the seconds that an answer may take here."""
        if not tmax_ms or profile.quirks.ignore_tmax:
            tmax_ms = profile.default_tmax_ms or self._settings.default_tmax_ms
        return (tmax_ms - profile.network_allowance_ms) / 1_000

    def _shed(self, profile: Profile, tmax_ms: int, started: float) -> _NoBid | None:
        """Return why a request is shed; `None` where it is admitted."""
        left = self._seconds(profile, tmax_ms) - (time.monotonic() - started)
        shed = self._runner.sheds(left) if left > 0 else None  # who gives no time is told so below, not shed
        return _NoBid(shed, NoBid.INSUFFICIENT_TIME) if shed else None

    async def _answer(self, request: Prepared, deadline: float, read: float) -> bytes | _NoBid:
        """Return the response's body, or a no-bid, always within the time that the exchange allows."""
        if not request.impressions:
            return _NoBid(request.reason.name.lower(), request.reason)
        if deadline <= time.monotonic():
            return _NoBid("insufficient_time", NoBid.INSUFFICIENT_TIME)
        try:
            answer = await self._runner.bid(request, deadline, read)
        except TimeoutError:
            return _NoBid("timeout", NoBid.INSUFFICIENT_TIME)
        except Exception as error:  # a stage died under this batch: no bid is the honest answer, never a 5xx
            return self._failed(request, error)
        if time.monotonic() > deadline:  # the event loop was too busy to say so before
            return _NoBid("timeout", NoBid.INSUFFICIENT_TIME)
        if answer.body is None and answer.reason is NoBid.BLOCKED:
            self._tell_taxonomy(request)
        return answer.body or _NoBid(answer.reason.name.lower(), answer.reason)

    def _tell_taxonomy(self, request: Prepared) -> None:
        """Count a request without bids whose blocks may be of categories that no campaign's can be compared with."""
        taxonomy = request.impressions[0].audience.restrictions.taxonomy
        if taxonomy > CONTENT_1:
            self._tally.add(f"taxonomy.{taxonomy if taxonomy < _TAXONOMIES else 'other'}")
            self._log.warning(f"no bid for {request.id!r}: its categories are of taxonomy {taxonomy}")

    def _failed(self, request: Prepared, error: Exception) -> _NoBid:
        if isinstance(error, StageUnavailable):  # the log says so once, when its breaker opens
            return _NoBid("no_bidder", NoBid.TECHNICAL)
        self._log.warning(f"no bid for {request.id!r}: {type(error).__name__}: {error}")
        return _NoBid("stage_failed", NoBid.TECHNICAL)

    def _no_bid(self, profile: Profile, request_id: str, why: _NoBid, *, is_protobuf: bool = False) -> Response:
        """Build a no-bid response: 204, or the reason where the exchange wants it and the request was decoded."""
        self._tally.add(f"no_bid.{why.counter}")
        self._tally.add(f"exchange.{profile.name}.{'shed' if why.counter in _SHED else 'no_bid'}")
        version = _version_of(profile)
        is_told = profile.no_bid == "nbr" and request_id and (why.code < NoBid.NO_CANDIDATE or profile.own_reasons)
        if not is_told:
            return 204, [version], b""
        told = NoBidResponse(request_id, int(why.code))
        if is_protobuf:
            return 200, [(b"content-type", _PROTOBUF), version], encode_protobuf(told)
        return 200, [(b"content-type", _JSON), version], msgspec.json.encode(told)

    def _bids(self, profile: Profile, body: bytes, head: _RequestHeaders) -> Response:
        headers = [(b"content-type", _PROTOBUF if head.is_protobuf else _JSON), _version_of(profile)]
        if profile.gzip and len(body) >= _COMPRESSED_FROM:
            headers.append((b"vary", b"accept-encoding"))
            if accepts_gzip(head.accepts):
                return 200, [*headers, (b"content-encoding", b"gzip")], deflate(body)
        return 200, headers, body

    async def _read(self, receive: Receive) -> bytes | LargeBody:
        """Read the body; return, not raise, that it is too large, which only a request with a good key is told."""
        try:
            return await read_body(receive, self._settings.max_body_bytes)
        except LargeBody as error:
            return error
        except SlowBody as error:
            raise _Refused(408, "slow_body", str(error), _CLOSE) from error
        except Crowded as error:
            raise _Refused(429, "crowded", str(error), [*_CLOSE, (b"retry-after", b"1")]) from error


def _read_headers(headers: Sequence[tuple[bytes, bytes]]) -> _RequestHeaders:
    """Read the headers; ASGI gives their names in lower case."""
    found = dict(headers)
    return _RequestHeaders(
        sum(map(len, chain.from_iterable(headers))),
        key_in(found),
        found.get(b"content-encoding", b"").strip().lower(),
        found.get(b"accept-encoding", b""),
        found.get(b"x-openrtb-version", b"").strip(),
        found.get(b"sec-gpc", b"").strip() == b"1",
        found.get(b"content-type", b"").partition(b";")[0].strip().lower() in _PROTOBUF_TYPES,
    )


def _shown(path: str) -> str:
    """Return the beginning of a path that nobody has: what follows may be a key that was sent to a wrong place."""
    return "/".join(path.split("/", _SHOWN_PARTS)[:_SHOWN_PARTS])


def _is_gzip_by_query(query: bytes, body: bytes | LargeBody) -> bool:
    """Return whether a URL announces a compressed body, and the body is one: some announce it always."""
    is_announced = not _ANNOUNCED.isdisjoint(query.lower().split(b"&"))
    return is_announced and isinstance(body, bytes) and body.startswith(_GZIP_MAGIC)


def _peek_tmax(body: bytes) -> int:
    """Guess `tmax` from the bytes, to shed before they are decoded; 0 where there seems to be none."""
    place = body.find(_TMAX)  # far quicker than a search by a pattern
    if place < 0:
        return 0
    found = _MILLISECONDS.match(body, place + len(_TMAX))
    return int(found[1]) if found else 0


def _version_of(profile: Profile) -> tuple[bytes, bytes]:
    return b"x-openrtb-version", profile.version.encode()
