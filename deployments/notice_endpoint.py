"""The endpoint for notices: GET and POST settle, HEAD and prefetches only look."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployments.asgi import Response
from deployments.callers import Scope
from deployments.guard import AccessGuard
from deployments.notice_handler import NoticeHandler, Reply
from deployments.scaling import HeldRequests
from deployments.tally import Tally
from deployments.wiring import LimitedLog
from rtb.runtime.security import Event
from rtb.settlement.notice_tokens import Kind

_SUSPICIOUS: dict[str, Event] = {
    "forged": "notice_forged",
    "above_bid": "notice_above_bid",
    "foreign_network": "notice_foreign",
}
"""Outcomes that the security log records."""

_KINDS = frozenset((*Kind, "view"))
"""Kinds with counters of their own; any caller may make up others."""

_PURPOSES = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
_AHEAD = re.compile(rb"prefetch|prerender|preview", re.IGNORECASE)
_NOT_STORED = (b"cache-control", b"no-store")
"""A stored answer would keep the next notice from us: a click that is repeated, or one that was looked at before."""


@dataclass(eq=False)
class NoticeEndpoint:
    """Answers notices, and counts their outcomes."""

    _handler: NoticeHandler
    _guard: AccessGuard
    _tally: Tally
    _held: HeldRequests
    _log: LimitedLog

    async def answer(self, scope: Scope, path: str) -> Response:
        """Answer a notice."""
        if scope["method"] not in ("GET", "POST", "HEAD"):
            return 405, [(b"allow", b"GET, HEAD, POST")], b""
        reply = _PREFETCH if _is_ahead(scope) else await self._reply(scope, path)
        kind = path.split("/", 3)[2]
        kind = kind if kind in _KINDS else "other"
        self._tally.add(f"notice.{kind}.{reply.outcome}")
        for name in reply.extra_outcomes:
            self._tally.add(f"notice.{kind}.{name}")
        for name in _SUSPICIOUS.keys() & {reply.outcome, *reply.extra_outcomes}:
            self._guard.log.note(_SUSPICIOUS[name], self._guard.callers.group(scope), f"notice {kind}")
        if reply.outcome == "forged":
            await self._guard.slow_down(scope)
        headers = [_NOT_STORED]
        if reply.location:
            headers.append((b"location", reply.location.encode()))
        if reply.status == 503:
            headers.append((b"retry-after", b"1"))
        if reply.message:
            self._log.warning(f"notice {kind} {reply.status} {reply.outcome}: {reply.message}")
            headers.append((b"content-type", b"text/plain; charset=utf-8"))
        return reply.status, headers, reply.message.encode()

    async def _reply(self, scope: Scope, path: str) -> Reply:
        address, query = self._guard.callers.address(scope), scope.get("query_string", b"")
        is_look = scope["method"] == "HEAD"
        return await self._held.during(self._handler.handle(path, query, address, is_look=is_look))


_PREFETCH = Reply(403, "prefetch", "nothing is fetched ahead here: ask again when it is wanted")
"""Not a redirect: a browser that fetched a landing page ahead would show it later without asking us again."""


def _is_ahead(scope: Scope) -> bool:
    """Return whether a browser fetches something ahead, which nobody has seen or clicked yet."""
    return any(name in _PURPOSES and _AHEAD.search(value) for name, value in scope["headers"])
