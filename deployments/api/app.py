"""The FastAPI application of one replica, put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from fastapi import APIRouter, FastAPI

from deployments.api import admin, documents, pages, problems
from deployments.api.access import CALLER
from deployments.api.bids import AuctionResult, Settled
from deployments.api.campaigns import TopUp
from deployments.api.gate import Gate
from deployments.api.hardening import Hardened
from deployments.api.models import Candidate, Rollback
from deployments.callers import Scope
from deployments.guard import AccessGuard
from portfolio.definition import Portfolio
from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import Creative
from rtb.catalog import KeyRing
from rtb.runtime.rate_limits import Limiter
from rtb.simple_api import FlatAnswer, FlatAnswers, FlatBatch, FlatRequest

_ABOUT = """A self-hosted real-time bidder. Exchanges POST OpenRTB to `/openrtb2/bid`; who speaks none takes `/bid`.

Money is in micro-units, prices are CPM. What goes wrong is answered with a problem document (RFC 9457)."""


class Rest:
    """The API of one replica, an ASGI application: what has not passed its gate yet does that first.

    Attributes:
        gate: what its calls pass.
    """

    def __init__(
        self, routers: Sequence[APIRouter], keys: KeyRing, guard: AccessGuard, limiter: Limiter, calls_per_minute: int
    ) -> None:
        app = described(routers)
        every = [*app.router.routes, *chain.from_iterable(one.routes for one in routers)]
        self.gate = Gate(every, keys, guard, limiter, calls_per_minute)
        self._app = problems.LastResort(Hardened(app, guard))

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """An ASGI 3 application."""
        refusal = self.gate.refusal(scope) if scope["type"] == "http" and CALLER not in scope else None
        await (refusal or self._app)(scope, receive, send)


def described(routers: Iterable[APIRouter]) -> FastAPI:
    """Return the application without what guards it: with its OpenAPI document."""
    app = pages.application("Raybid", "0.1.0", _ABOUT)
    for one in routers:
        app.include_router(one)
    problems.install(app)
    kinds = (
        Campaign,
        Creative,
        Portfolio,
        TopUp,
        Candidate,
        Rollback,
        FlatRequest,
        FlatBatch,
        FlatAnswer,
        FlatAnswers,
        AuctionResult,
        Settled,
    )
    documents.install(app, (*kinds, admin.NewKey))
    return app
