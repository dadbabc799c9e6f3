"""A platform that is quiet at last, and its books of the same money."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import httpx
import redis.asyncio as aioredis
from rich.console import Console
from rich.progress import track

from rtb.catalog import Catalog
from rtb.events.parquet import runs
from rtb.ledger import Balance, ValkeyLedger, total_balances
from rtb.runtime.settings import Settings
from rtb.store import event_store
from verification.faults.audit import audit, read_charges

_EVENTS_SECONDS = 30.0


class CatalogBook(NamedTuple):
    """What the catalog says.

    Attributes:
        budgets: micros by campaign number, moves of portfolios included.
        moved: micros that portfolios moved to a campaign, by number.
        recorded: spend in micros, by number.
    """

    budgets: dict[int, int]
    moved: dict[int, int]
    recorded: dict[int, int]


def read_catalog(settings: Settings) -> CatalogBook:
    """Read the catalog's book."""
    catalog = Catalog(settings.catalog_url)
    try:
        moved = catalog.portfolios.moved()
        budgets = {one.number: one.campaign.budget.total_micros + moved.get(one.number, 0) for one in catalog.all()}
        return CatalogBook(budgets, moved, catalog.spent())
    finally:
        catalog.close()


def read_balances(settings: Settings) -> dict[int, Balance]:
    """Read the ledger's book, by campaign number."""
    numbers = list(read_catalog(settings).budgets)

    async def read() -> list[Balance]:
        async with aioredis.Redis.from_url(settings.ledger_url) as client:
            return await total_balances(ValkeyLedger(client), numbers)

    return dict(zip(numbers, asyncio.run(read()), strict=True))


def compare(settings: Settings, owed: Mapping[str, int], balances: Mapping[int, Balance]) -> dict[str, Any]:
    """Compare the exchange's book with the ledger's, the events' and the catalog's: see `verification.faults.audit`."""
    told = read_catalog(settings)
    charges = read_charges(run.table for run in runs(event_store(settings)))
    return audit(owed, told.budgets, balances, charges, told.recorded)


def pause_all(client: httpx.Client, campaigns: Iterable[str], seconds: float, console: Console) -> None:
    """Pause campaigns and wait until no lease and no token of a bid is left, and all events are in files.

    Args:
        client: client with an administrator's key.
        campaigns: ids of the campaigns.
        seconds: longest life of a lease or token.
        console: where progress goes.

    Raises:
        httpx.HTTPError: the platform does not answer.
    """
    for campaign in campaigns:
        client.post(f"/campaign/{campaign}/pause").raise_for_status()
    for _ in track(range(round(seconds)), "until every notice and lease has expired", console=console):
        time.sleep(1)
    deadline = time.monotonic() + _EVENTS_SECONDS
    while client.get("/stats").json()["events"]["length"] and time.monotonic() < deadline:
        time.sleep(0.5)
