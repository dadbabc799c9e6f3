"""The FastAPI application of one replica, put together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from fastapi import APIRouter, FastAPI

from deployments.api import documents, pages, problems
from deployments.api.access import CALLER
from deployments.api.gate import ApiGate
from deployments.api.hardening import Hardened
from deployments.callers import Scope
from deployments.guard import AccessGuard
from rtb.catalog import KeyRing
from rtb.runtime.rate_limits import Limiter

_ABOUT = """A self-hosted real-time bidder. Exchanges POST OpenRTB to `/openrtb2/bid`; who speaks none takes `/bid`.

Money is in micro-units, prices are CPM. What goes wrong is answered with a problem document (RFC 9457)."""


class Rest:
    """The API of one replica, an ASGI application: a request that has not passed the gate yet passes it first.

    Attributes:
        gate: what calls pass first.
    """

    def __init__(
        self, routers: Sequence[APIRouter], keys: KeyRing, guard: AccessGuard, limiter: Limiter, calls_per_minute: int
    ) -> None:
        app = described(routers)
        every = [*app.router.routes, *chain.from_iterable(one.routes for one in routers)]
        self.gate = ApiGate(every, keys, guard, limiter, calls_per_minute)
        self._app = problems.LastResort(Hardened(app, guard))

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve as an ASGI 3 application."""
        refusal = self.gate.refusal(scope) if scope["type"] == "http" and CALLER not in scope else None
        await (refusal or self._app)(scope, receive, send)


def described(routers: Sequence[APIRouter]) -> FastAPI:
    """Return the application without what guards it: with its OpenAPI document."""
    app = pages.application("Raybid", "0.1.0", _ABOUT)
    for one in routers:
        app.include_router(one)
    problems.install(app)
    documents.install(app, routers)
    return app
