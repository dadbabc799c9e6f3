"""What a request passes in a replica before Serve's own bookkeeping.

Serve calls `middlewares`, named in `cluster/ray.env`, where it starts an HTTP server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.middleware import Middleware

from deployments.fast_path import BID_PREFIX, NOTICE_PREFIX

Scope = MutableMapping[str, Any]
Channel = Callable[..., Awaitable[Any]]

_NOT_WATCHED = (b"x-request-disconnect-disabled", b"?1")


class Unwatched:
    """Tells Serve not to watch whether the caller hangs up, where answers are short anyway.

    Bids are answered within `tmax` and notices at once. Watching costs each request two tasks and a queue, a quarter
    of what Serve's part of it takes.

    Args:
        app: what comes next.
    """

    def __init__(self, app: Callable[[Scope, Channel, Channel], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        """An ASGI 3 application."""
        if scope["type"] == "http" and scope["path"].startswith((BID_PREFIX, NOTICE_PREFIX)):
            scope["headers"] = [*scope["headers"], _NOT_WATCHED]
        await self._app(scope, receive, send)


def middlewares() -> list[Middleware]:
    """What Serve puts around each of its HTTP servers."""
    return [Middleware(Unwatched)]
