"""The raw ASGI application in front of FastAPI: bids, notices, syncs without routing, validation layers or objects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from deployments.api.access import CALLER
from deployments.api.app import Rest
from deployments.asgi import Application, Send, respond
from deployments.bid_endpoint import BidEndpoint
from deployments.callers import Scope, path_in
from deployments.guard import AccessGuard
from deployments.intake import Receive
from deployments.metrics.timings import Timings
from deployments.notice_endpoint import NoticeEndpoint
from deployments.scaling import HeldRequests
from deployments.sync_endpoint import SYNC_PREFIX, SyncEndpoint

BID_PREFIX = "/openrtb2/"
NOTICE_PREFIX = "/notice/"
FAST_PREFIXES = (BID_PREFIX, NOTICE_PREFIX, SYNC_PREFIX)
"""How paths begin that need nothing of the API."""

_TURNS = 4
"""Concurrent calls that need no key."""


@dataclass(eq=False)
class FastPath:
    """Routes by path: to bids, to notices, to user syncs, or to the API.

    Attributes:
        is_at_root: whether paths are as Serve's applications see them: a call has come by way of Serve, and no prefix
            was before its path.
    """

    _bids: BidEndpoint
    _notices: NoticeEndpoint
    _syncs: SyncEndpoint
    _rest: Rest
    _guard: AccessGuard
    _held: HeldRequests
    _timings: Timings

    def __post_init__(self) -> None:
        self._gate = self._rest.gate
        self._turns = asyncio.Semaphore(_TURNS)
        self.is_at_root = False

    @property
    def held(self) -> int:
        """Number of requests received whole and not answered yet."""
        return self._held.count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI 3)."""
        path = path_in(scope)
        if scope["type"] == "http" and path.startswith(BID_PREFIX):
            since = time.monotonic()
            response = await self._bids.answer(scope, path, receive, since)
            self._timings.note("request", "bid", time.monotonic() - since)
            await respond(send, *response)
        elif scope["type"] == "http" and path.startswith(NOTICE_PREFIX):
            since = time.monotonic()
            response = await self._notices.answer(scope, path)
            self._timings.note("request", "notice", time.monotonic() - since)
            await respond(send, *response)
        elif scope["type"] == "http" and path.startswith(SYNC_PREFIX):
            await respond(send, *await self._syncs.answer(scope, path))
        elif scope["type"] == "http" and CALLER not in scope:
            self.is_at_root = not scope.get("root_path")
            await self.admit(scope, receive, send, self._call)
        else:
            await self._call(scope, receive, send)

    async def admit(self, scope: Scope, receive: Receive, send: Send, then: Application) -> None:
        """Pass a call of the API on, or refuse it. Calls without a key queue, so that bids need not."""
        refusal = self._gate.refusal(scope)
        if refusal is not None:
            await self._guard.slow_down(scope)
            await refusal(scope, receive, send)
        elif scope[CALLER].key is None and self._gate.is_open(path_in(scope)):
            async with self._turns:
                await then(scope, receive, send)
        else:
            await then(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call of the API; it counts as held once its body is there."""
        is_held = False

        async def counted() -> MutableMapping[str, Any]:
            nonlocal is_held
            message = await receive()
            if not is_held and not message.get("more_body"):
                is_held = True
                self._held.count += 1
            return message

        try:
            await self._rest(scope, counted, send)
        finally:
            self._held.count -= is_held
