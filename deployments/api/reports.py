"""Figures: for people as JSON, for Prometheus as text. The same whichever replica answers."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

from deployments.api.access import Caller, Needs
from deployments.api.documents import responses
from deployments.figures import figures, totals
from deployments.metrics import Collected, ReportParts, report_of
from deployments.metrics.counters import for_people
from rtb.ledger import whole_balances
from rtb.runtime.settings import Settings


def routes(settings: Settings, parts: ReportParts) -> APIRouter:
    """The calls for figures."""
    found = APIRouter(tags=["figures"])
    reader = Depends(Needs("report", is_optional=not settings.require_report_key))

    @found.get(
        "/stats",
        summary="Money by campaign as the ledger has it, and counters over all replicas",
        responses=responses("Stats"),
    )
    async def stats(caller: Caller = reader) -> dict[str, Any]:
        entries = await asyncio.to_thread(parts.catalog.all)
        balances = await whole_balances(parts.ledger, [entry.number for entry in entries])
        pairs = zip(entries, balances, strict=True)
        money = {name: value for name, value in totals(balances).items() if name.endswith("_micros")}
        return {
            "ledger": money,
            "campaigns": {entry.campaign.id: figures(balance) for entry, balance in pairs},
            "counters": for_people(await parts.tally.totals()),
            "events": (await parts.events.backlog())._asdict(),
        }

    @found.get(
        "/metrics",
        summary="The same for Prometheus: see docs/metrics.md",
        response_class=Response,
        responses=responses(None, kind="text/plain"),
    )
    async def metrics(caller: Caller = reader) -> Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collected(await report_of(parts)))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_1_0_0)

    return found
