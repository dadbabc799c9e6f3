"""The endpoint for notices."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.asgi import Response
from deployments.callers import Scope
from deployments.guard import AccessGuard
from deployments.notice_handler import NoticeHandler
from deployments.scaling import HeldRequests
from deployments.tally import Tally
from deployments.wiring import LimitedLog
from rtb.runtime.security import Event

_SUSPICIOUS: dict[str, Event] = {
    "forged": "notice_forged",
    "above_bid": "notice_above_bid",
    "foreign_network": "notice_foreign",
}
"""Outcomes that the security log records."""


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
            return 405, [(b"allow", b"GET, POST")], b""
        address = self._guard.callers.address(scope)
        reply = await self._held.during(self._handler.handle(path, scope.get("query_string", b""), address))
        kind = path.split("/", 3)[2]
        self._tally.add(f"notice.{kind if reply.outcome != 'unknown_kind' else 'other'}.{reply.outcome}")
        for name in reply.extra_outcomes:
            self._tally.add(f"notice.{kind}.{name}")
        for name in _SUSPICIOUS.keys() & {reply.outcome, *reply.extra_outcomes}:
            self._guard.log.note(_SUSPICIOUS[name], self._guard.callers.group(scope), f"notice {kind}")
        if reply.outcome == "forged":
            await self._guard.slow_down(scope)
        headers = [(b"location", reply.location.encode())] if reply.location else []
        if reply.status == 503:
            headers.append((b"retry-after", b"1"))
        if reply.message:
            self._log.warning(f"notice {kind} {reply.status} {reply.outcome}: {reply.message}")
            headers.append((b"content-type", b"text/plain; charset=utf-8"))
        return reply.status, headers, reply.message.encode()
