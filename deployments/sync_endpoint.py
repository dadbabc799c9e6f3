"""The endpoint for user syncs, which browsers call: `GET /sync/<exchange>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from deployments.asgi import Headers, Response
from deployments.callers import Scope
from deployments.guard import AccessGuard
from deployments.tally import Tally
from rtb.exchanges import Exchanges, Profile
from rtb.user_sync import SyncAnswer, SyncRequest, UserSyncs

SYNC_PREFIX = "/sync/"

_HEADERS: Headers = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
"""Headers of each answer. The last one lets pages load a sync that load nothing else from elsewhere."""

_PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)  # a transparent GIF of one pixel

_BODIES: Mapping[str, tuple[bytes, bytes]] = {
    "pixel": (b"image/gif", _PIXEL),
    "blank": (b"text/html; charset=utf-8", b"<!doctype html><title></title>"),
}

_OTHER = "other"
"""Stands in counters for exchanges that are none: any caller may make up names."""


@dataclass(eq=False)
class SyncEndpoint:
    """Answers user syncs, and counts their outcomes by exchange."""

    _syncs: UserSyncs
    _exchanges: Exchanges
    _guard: AccessGuard
    _tally: Tally
    _most_header_bytes: int

    async def answer(self, scope: Scope, path: str) -> Response:
        """Answer a user sync."""
        profile = self._exchanges.named(path.removeprefix(SYNC_PREFIX))
        if profile is not None and not profile.user_sync.hosts:
            profile = None
        name = _OTHER if profile is None else profile.name
        reply = self._reply(scope, profile)
        for outcome in (reply.outcome, *reply.remarks):
            self._tally.add(f"sync.{name}.{outcome}")
        if reply.outcome == "foreign_target":
            self._guard.log.note("sync_foreign", self._guard.callers.group(scope), f"sync {name}")
        if reply.status >= 400:
            await self._guard.slow_down(scope)
        headers = [*_HEADERS, *self._extra(scope, reply)]
        content = _BODIES.get(reply.page)
        if content is not None:
            return reply.status, [*headers, (b"content-type", content[0])], content[1]
        if reply.page == "redirect":
            return reply.status, [*headers, (b"location", reply.text.encode("ascii"))], b""
        return reply.status, [*headers, (b"content-type", b"text/plain; charset=utf-8")], reply.text.encode()

    def _reply(self, scope: Scope, profile: Profile | None) -> SyncAnswer:
        """Return the answer of an exchange with user sync, or why a call is refused. The cheapest checks come first."""
        limit = self._guard.syncs
        if scope["method"] != "GET":
            return SyncAnswer(405, "wrong_method", text="a user sync is a GET")
        if not limit.add(self._guard.callers.group(scope)):
            return SyncAnswer(429, "limited", text=f"more than {limit.per_minute} user syncs a minute")
        if profile is None:
            return SyncAnswer(404, "unknown_exchange", text="no exchange of this name has a user sync")
        if sum(map(len, chain.from_iterable(scope["headers"]))) > self._most_header_bytes:
            return SyncAnswer(431, "long_headers", text=f"the headers have more than {self._most_header_bytes} bytes")
        return self._syncs.answer(profile, _request(scope))

    def _extra(self, scope: Scope, reply: SyncAnswer) -> Headers:
        found = [(b"set-cookie", cookie.encode("ascii")) for cookie in reply.cookies]
        if reply.status == 405:
            found.append((b"allow", b"GET"))
        if reply.status == 429:
            found.append((b"retry-after", str(self._guard.syncs.wait(self._guard.callers.group(scope))).encode()))
        return found


def _request(scope: Scope) -> SyncRequest:
    """Read what a sync depends on; ASGI gives names of headers in lower case."""
    headers = dict(scope["headers"])
    return SyncRequest(
        scope.get("query_string", b""),
        tuple(value for name, value in scope["headers"] if name == b"cookie"),
        b"1" in (headers.get(b"sec-gpc", b"").strip(), headers.get(b"dnt", b"").strip()),
        headers.get(b"sec-fetch-storage-access", b"").strip().lower(),
    )
