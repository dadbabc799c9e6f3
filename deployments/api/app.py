"""The FastAPI application of one replica, put together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI

from deployments.api import (
    admin,
    bids,
    campaigns,
    documents,
    experiment,
    explanations,
    health,
    models,
    pages,
    portfolios,
    problems,
    reports,
    users,
)
from deployments.api.access import CALLER
from deployments.api.gate import Gate
from deployments.api.hardening import Hardened
from deployments.callers import Scope

if TYPE_CHECKING:
    from deployments.router import Router

_ABOUT = """A self-hosted real-time bidder. Exchanges POST OpenRTB to `/openrtb2/bid`; who speaks none takes `/bid`.

Money is in micro-units, prices are CPM. What goes wrong is answered with a problem document (RFC 9457)."""


PARTS = (bids, explanations, campaigns, portfolios, reports, models, experiment, health, users, admin)


class Rest:
    """The API of one replica, an ASGI application: a request that has not passed the gate yet passes it first.

    Attributes:
        gate: what calls pass first.

    Args:
        router: the replica.
    """

    def __init__(self, router: Router) -> None:
        parts = [part.routes(router) for part in PARTS]
        app = _application(parts)
        self.gate = Gate(router, [*app.router.routes, *chain.from_iterable(part.routes for part in parts)])
        self._app = problems.LastResort(Hardened(app, router))

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve as an ASGI 3 application."""
        refusal = self.gate.refusal(scope) if scope["type"] == "http" and CALLER not in scope else None
        await (refusal or self._app)(scope, receive, send)


def described(router: Router) -> FastAPI:
    """Return the application without what guards it: with its OpenAPI document."""
    return _application([part.routes(router) for part in PARTS])


def _application(parts: Sequence[APIRouter]) -> FastAPI:
    app = pages.application("Raybid", "0.1.0", _ABOUT)
    for part in parts:
        app.include_router(part)
    problems.install(app)
    documents.install(app, parts)
    return app
