"""The hot path around Serve's bookkeeping: bids, notices, user syncs and refusals of a replica take it.

Serve calls `middlewares`, named in `cluster/ray.env`, where it starts an HTTP server. Without that line every request
goes through all of Serve, and gets the same answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.middleware import Middleware

from deployments.asgi import Application
from deployments.callers import Scope
from deployments.fast_path import FAST_PREFIXES

Channel = Callable[..., Awaitable[Any]]

_SERVE_PREFIX = "/-/"
"""Prefix of the routes that Serve answers itself."""


class RequestHandler(Protocol):
    """The Router's application: `FastPath`."""

    is_at_root: bool

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request."""

    async def admit(self, scope: Scope, receive: Any, send: Any, then: Application) -> None:
        """Pass a call of the API on, or refuse it."""


class _Front:
    """The application of the Router in this process, once there is one, and its event loop."""

    application: RequestHandler | None = None
    loop: asyncio.AbstractEventLoop | None = None


def register_front(application: RequestHandler) -> None:
    """Send hot-path requests straight to an application; call this on its event loop."""
    _Front.application, _Front.loop = application, asyncio.get_running_loop()


class HotPathMiddleware:
    """Hands requests to the Router in this process before Serve makes a record of each.

    Serve's record of a request (metadata, context, queue slots, counters by route, a watch for callers who hang up)
    costs about a third of a bid, and bids need none of it: they are shed by their own clock, counted by exchange and
    outcome, and answered within `tmax`; the Router tells autoscaling how many it holds (`deployments.scaling`); and a
    replica that goes lets its HTTP server finish what it has begun, whoever answers. Other calls are Serve's, once the
    Router has let them pass: most of a flood is not worth a record either.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        self._is_proxied = os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        """Answer a request, or pass it to Serve (ASGI 3)."""
        if self._is_proxied:
            name_caller(scope)
        front = _Front.application
        if front is None or scope["type"] != "http" or asyncio.get_running_loop() is not _Front.loop:
            await self._app(scope, receive, send)
        elif scope["path"].startswith(FAST_PREFIXES):
            await front(scope, receive, send)
        elif front.is_at_root and not scope["path"].startswith(_SERVE_PREFIX):
            await front.admit(scope, receive, send, self._app)
        else:
            await self._app(scope, receive, send)


def name_caller(scope: Scope) -> None:
    """Set the client of a request to the caller of HAProxy: the last address of `X-Forwarded-For`.

    uvicorn takes the last one that is not this machine's, and so trusts what a caller on this machine made up.
    """
    if scope["type"] == "http":
        hop = next((value for name, value in reversed(scope["headers"]) if name == b"x-forwarded-for"), b"")
        if hop:
            scope["client"] = (hop.rpartition(b",")[2].strip().decode("latin-1"), 0)


def middlewares() -> list[Middleware]:
    """Return the middlewares that Serve puts around each of its HTTP servers."""
    return [Middleware(HotPathMiddleware)]
