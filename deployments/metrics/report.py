"""Everything there is to tell, gathered part by part: where one is away, the others are told all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from redis.exceptions import RedisError

from deployments.ledger_guard import Behind, behind
from deployments.models import Serving, served
from rtb.catalog import CatalogError, Entry, PortfolioRecord
from rtb.events.sink import Backlog
from rtb.ledger import Balance, LedgerError, whole_balances
from rtb.models.registry import KINDS, Kind
from rtb.pacing.snapshot import PacingTable
from rtb.runtime.quarantine import Fault

if TYPE_CHECKING:
    from deployments.router import Router

_PATIENCE_SECONDS = 1.0

_AWAY = (CatalogError, LedgerError, RedisError, OSError)

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class Report:
    """What was found; `None` where the part that knows is away.

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

    entries: Sequence[Entry] | None = None
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


async def report_of(router: Router) -> Report:
    """What the parts say now."""
    entries = await _there(asyncio.to_thread(router.catalog.all))
    balances = None
    if entries is not None:
        balances = await _there(whole_balances(router.ledger, [entry.number for entry in entries]))
    counters = await _there(router.tally.totals())
    return Report(
        entries=entries,
        balances=balances,
        portfolios=await _there(asyncio.to_thread(router.catalog.portfolios.all)),
        counters=counters,
        behind=await _there(behind(router.client)),
        events=await _there(router.events.backlog()),
        models=await _there(_models(router)),
        artefacts=await _there(router.stages.artefacts(), (Exception,)),  # whatever a handle raises
        pacing=router.pacing,
        left_out=router.left_out,
        is_ready=counters is not None and router.paced_at is not None and not router.durability.refusal,
    )


async def _models(router: Router) -> dict[Kind, list[Serving]]:
    return {kind: await served(router.client, kind) for kind in KINDS}


async def _there(asked: Awaitable[_Part], away: tuple[type[Exception], ...] = _AWAY) -> _Part | None:
    try:
        return await asyncio.wait_for(asked, _PATIENCE_SECONDS)
    except away:  # a TimeoutError is an OSError
        return None
