"""The FastAPI application of one replica, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

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
from deployments.api.bids import AuctionResult, Settled
from deployments.api.campaigns import TopUp
from deployments.api.hardening import Hardened
from deployments.api.models import Candidate, Rollback
from portfolio.definition import Portfolio
from rtb.campaign import Campaign
from rtb.creative import Creative
from rtb.flat import FlatAnswer, FlatAnswers, FlatBatch, FlatRequest

if TYPE_CHECKING:
    from deployments.router import Router

_ABOUT = """A self-hosted real-time bidder. Exchanges POST OpenRTB to `/openrtb2/bid`; who speaks none takes `/bid`.

Money is in micro-units, prices are CPM. What goes wrong is answered with a problem document (RFC 9457)."""


def build(router: Router) -> Any:
    """Return the ASGI application of one replica."""
    return problems.LastResort(Hardened(described(router), router))


def described(router: Router) -> FastAPI:
    """Return the application without what guards it: with its OpenAPI document."""
    app = pages.application("Raybid", "0.1.0", _ABOUT)
    for part in (bids, explanations, campaigns, portfolios, reports, models, experiment, health, users, admin):
        app.include_router(part.routes(router))
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
