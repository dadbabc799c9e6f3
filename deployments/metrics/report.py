"""The state of the platform, gathered part by part: where one is unavailable, the others are reported all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import redis.asyncio as aioredis
from redis.exceptions import RedisError

from deployments.ledger_guard import Behind, behind
from deployments.models import Serving, served
from deployments.snapshot_feed import SnapshotFeed
from deployments.tally import Tally
from rtb.catalog import Catalog, CatalogEntry, CatalogError, PortfolioRecord
from rtb.events import EventSink
from rtb.events.sink import Backlog
from rtb.ledger import Balance, DurabilityWatch, Ledger, LedgerError, total_balances
from rtb.models.registry import KINDS, Kind
from rtb.pacing.snapshot import PacingTable
from rtb.runtime.quarantine import Fault

_PATIENCE_SECONDS = 1.0

_UNAVAILABLE = (CatalogError, LedgerError, RedisError, OSError)

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class PlatformReport:
    """The state of each part; `None` where it is unavailable.

    Attributes:
        entries: the campaigns.
        balances: of each, in their order.
        portfolios: budgets that are one.
        counters: over all replicas.
        behind: campaigns that the ledger lost figures of.
        events: not yet in Parquet.
        models: what each replica said it serves.
        artefacts: what is known of the models in use.
        pacing: the table this replica bids by.
        left_out: records that cannot be used, as this replica knows of them.
        is_ready: whether this replica can bid.
    """

    entries: Sequence[CatalogEntry] | None = None
    balances: Sequence[Balance] | None = None
    portfolios: Sequence[PortfolioRecord] | None = None
    counters: Mapping[str, int] | None = None
    behind: Behind | None = None
    events: Backlog | None = None
    models: Mapping[Kind, list[Serving]] | None = None
    artefacts: Mapping[str, Mapping[str, Any]] | None = None
    pacing: PacingTable = field(default_factory=lambda: np.zeros(0))
    left_out: Sequence[Fault] = ()
    is_ready: bool = False


@dataclass(frozen=True)
class ReportParts:
    """The parts that a report is gathered from."""

    client: aioredis.Redis
    ledger: Ledger
    durability: DurabilityWatch
    catalog: Catalog
    tally: Tally
    events: EventSink
    snapshots: SnapshotFeed
    artefacts: Callable[[], Awaitable[Mapping[str, Mapping[str, Any]]]]
    """Describes the models in use."""


async def report_of(parts: ReportParts) -> PlatformReport:
    """Gather a report."""
    entries = await _if_available(asyncio.to_thread(parts.catalog.all))
    balances = None
    if entries is not None:
        balances = await _if_available(total_balances(parts.ledger, [entry.number for entry in entries]))
    counters = await _if_available(parts.tally.totals())
    return PlatformReport(
        entries=entries,
        balances=balances,
        portfolios=await _if_available(asyncio.to_thread(parts.catalog.portfolios.all)),
        counters=counters,
        behind=await _if_available(behind(parts.client)),
        events=await _if_available(parts.events.backlog()),
        models=await _if_available(_models(parts.client)),
        artefacts=await _if_available(parts.artefacts(), (Exception,)),  # whatever a handle raises
        pacing=parts.snapshots.pacing,
        left_out=parts.snapshots.left_out,
        is_ready=counters is not None and parts.snapshots.paced_at is not None and not parts.durability.refusal,
    )


async def _models(client: aioredis.Redis) -> dict[Kind, list[Serving]]:
    return {kind: await served(client, kind) for kind in KINDS}


async def _if_available(
    asked: Awaitable[_Part], unavailable: tuple[type[Exception], ...] = _UNAVAILABLE
) -> _Part | None:
    try:
        return await asyncio.wait_for(asked, _PATIENCE_SECONDS)
    except unavailable:  # a TimeoutError is an OSError
        return None
