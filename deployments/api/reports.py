"""Figures: for people as JSON, for Prometheus as text. The same whichever replica answers."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Depends, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

from deployments.api.access import Caller, Needs
from deployments.api.answers import StructResponse
from deployments.api.documents import responses
from deployments.figures import CampaignFigures, figures, totals
from deployments.metrics import Collected, ReportParts, report_of
from deployments.metrics.counters import for_people
from rtb.events import Backlog
from rtb.ledger import total_balances
from rtb.runtime.settings import Settings


class Stats(msgspec.Struct, frozen=True):
    """Figures of the whole platform.

    Attributes:
        ledger: money of all campaigns, in micros.
        campaigns: figures of each, by id.
        counters: over all replicas.
        events: what has still to be written to files.
    """

    ledger: dict[str, int]
    campaigns: dict[str, CampaignFigures]
    counters: dict[str, int]
    events: Backlog


def routes(settings: Settings, parts: ReportParts) -> APIRouter:
    """Build the calls for figures."""
    found = APIRouter(tags=["figures"])
    reader = Depends(Needs("report", is_optional=not settings.require_report_key))

    @found.get(
        "/stats",
        summary="Money by campaign as the ledger has it, and counters over all replicas",
        responses=responses(Stats),
    )
    async def stats(caller: Caller = reader) -> StructResponse:
        entries = await asyncio.to_thread(parts.catalog.all)
        balances = await total_balances(parts.ledger, [entry.number for entry in entries])
        pairs = zip(entries, balances, strict=True)
        money = {name: value for name, value in totals(balances).items() if name.endswith("_micros")}
        by_campaign = {entry.campaign.id: figures(balance) for entry, balance in pairs}
        counters = for_people(await parts.tally.totals())
        return StructResponse(Stats(money, by_campaign, counters, await parts.events.backlog()))

    @found.get(
        "/metrics",
        summary="The same for Prometheus: see docs/metrics.md",
        response_class=Response,
        responses=responses(str, media="text/plain"),
    )
    async def metrics(caller: Caller = reader) -> Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collected(await report_of(parts)))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_1_0_0)

    return found
