"""Whether the platform lives, can bid, and how each part of it is."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import redis.asyncio as aioredis
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from deployments.api.documents import responses
from deployments.ledger_guard import behind
from deployments.snapshot_feed import SnapshotFeed
from deployments.tally import Tally
from deployments.wiring import logger
from rtb.auction.edge import Edge
from rtb.campaigns.stops import Stops
from rtb.catalog import Catalog, CatalogError
from rtb.events import EventSink
from rtb.ledger import DurabilityWatch, LedgerError
from rtb.runtime.settings import Settings
from rtb.runtime.text import visible

KEPT_SECONDS = 0.25
"""How long an answer holds: a flood of questions reaches neither ledger nor catalog."""

_PATIENCE_SECONDS = 1.0
_LATE_TICKS = 10.0
"""A pacing table older than so many of the Controller's ticks is late: bidding goes on by it, but blindly."""

_MOST_NAMED = 20

Part = dict[str, Any]


@dataclass(frozen=True)
class HealthParts:
    """What is looked at."""

    settings: Settings
    client: aioredis.Redis
    durability: DurabilityWatch
    tally: Tally
    catalog: Catalog
    events: EventSink
    edge: Edge
    stops: Stops
    snapshots: SnapshotFeed
    artefacts: Callable[[], Awaitable[Mapping[str, Mapping[str, Any]]]]
    """Describes the models in use."""


def routes(replica: HealthParts) -> APIRouter:
    """The calls about health; they need no key, and those of probes are never too many."""
    found = APIRouter(tags=["health"])
    all_parts, needed = _Kept(lambda: _parts(replica)), _Kept(lambda: _needed(replica))

    @found.get("/health", summary="Whether this replica can bid, and the state of each part", responses=_told("Health"))
    async def health() -> JSONResponse:
        """`status` is `ok` when every part is; 503 only when this replica cannot bid, as `/health/ready`."""
        parts = await all_parts.get() | _known(replica)
        state = {
            "status": "ok" if all(part["state"] == "ok" for part in parts.values()) else "degraded",
            "ledger": parts["ledger"]["state"],
            "durability": str(replica.durability.found),
            "campaigns": replica.edge.campaigns,
            "parts": parts,
        }
        return JSONResponse(state, 200 if _is_ready(parts) else 503)

    @found.get("/health/live", summary="Whether this replica answers at all", responses=responses("Live", keyed=False))
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @found.get("/health/ready", summary="Whether this replica can bid", responses=_told("Ready"))
    async def ready() -> JSONResponse:
        parts = await needed.get() | {"snapshots": _snapshots(replica)}
        is_ready = _is_ready(parts)
        missing = [name for name, part in parts.items() if part["state"] in _UNREADY]
        return JSONResponse({"status": "ok" if is_ready else "unready", "missing": missing}, 200 if is_ready else 503)

    return found


_UNREADY = ("away", "none", "not_durable")


def _is_ready(parts: dict[str, Part]) -> bool:
    """What bidding needs: the ledger, and a first picture of the campaigns. All else it can do without for a time."""
    return not any(parts[name]["state"] in _UNREADY for name in ("ledger", "snapshots"))


class _Kept:
    """What was found last, for a moment, however many ask; those that ask meanwhile wait for the same look.

    Args:
        look: finds it.
    """

    def __init__(self, look: Callable[[], Coroutine[Any, Any, dict[str, Part]]]) -> None:
        self._look = look
        self._at = -math.inf
        self._task: asyncio.Task[dict[str, Part]] | None = None

    async def get(self) -> dict[str, Part]:
        """What is found now, or was found this moment."""
        if self._task is None or (self._task.done() and time.monotonic() - self._at > KEPT_SECONDS):
            self._at = time.monotonic()
            self._task = asyncio.ensure_future(self._look())
        return await asyncio.shield(self._task)


async def _parts(replica: HealthParts) -> dict[str, Part]:
    names = ("ledger", "catalog", "models", "events")
    states = await asyncio.gather(_ledger(replica), _catalog(replica), _models(replica), _events(replica))
    return dict(zip(names, states, strict=True))


def _known(replica: HealthParts) -> dict[str, Part]:
    """What a replica knows without asking anybody: told as it is now, also to those who get what was kept."""
    return {"snapshots": _snapshots(replica), "bidding": _bidding(replica), "records": _records(replica)}


def _records(replica: HealthParts) -> Part:
    """Return how many records are left out because they cannot be used, and the first of them; the log says why."""
    faults = replica.snapshots.left_out
    names = [f"{fault.kind} {visible(fault.name, 64)}" for fault in faults[:_MOST_NAMED]]
    return {"state": "left_out" if faults else "ok", "left_out": len(faults), "names": names}


def _bidding(replica: HealthParts) -> Part:
    """Whether somebody stopped it all; campaigns stopped one by one are for the catalog to hear of."""
    return {"state": "stopped" if replica.stops.is_everyone else "ok", "stopped_campaigns": replica.stops.campaigns}


async def _needed(replica: HealthParts) -> dict[str, Part]:
    return {"ledger": await _ledger(replica)}


async def _ledger(replica: HealthParts) -> Part:
    try:
        await asyncio.wait_for(replica.durability.look(), _PATIENCE_SECONDS)
        await asyncio.wait_for(replica.tally.flush(), _PATIENCE_SECONDS)
        lost = await asyncio.wait_for(behind(replica.client), _PATIENCE_SECONDS)
    except (LedgerError, RedisError, OSError, TimeoutError) as error:
        return _away("ledger", error)
    if replica.durability.refusal:
        return {"state": "not_durable"}
    return {"state": "behind", "campaigns": lost.count, "first": lost.campaigns} if lost.count else {"state": "ok"}


async def _catalog(replica: HealthParts) -> Part:
    try:
        revision = await asyncio.wait_for(asyncio.to_thread(replica.catalog.revision), _PATIENCE_SECONDS)
    except (CatalogError, OSError, TimeoutError) as error:
        return _away("catalog", error)
    return {"state": "ok", "revision": revision}


async def _models(replica: HealthParts) -> Part:
    """Artefacts in use; a part that bids on a prior is well, one that could not load what was published is not."""
    try:
        artefacts = await asyncio.wait_for(replica.artefacts(), _PATIENCE_SECONDS)
    except Exception as error:  # whatever a handle raises: a stage's replica is being started, say
        return _away("models", error)
    refused = any("refused" in told for told in artefacts.values())
    return {"state": "refused" if refused else "ok", **{name: told["version"] for name, told in artefacts.items()}}


async def _events(replica: HealthParts) -> Part:
    try:
        backlog = await replica.events.backlog()
    except (RedisError, OSError) as error:
        return _away("events", error)
    is_full = backlog.length >= replica.settings.event_backlog
    return {"state": "full" if is_full else "ok", **backlog._asdict()}


def _snapshots(replica: HealthParts) -> Part:
    """Age of the newest pacing table, which the Controller makes each tick."""
    if replica.snapshots.paced_at is None:
        return {"state": "none"}
    age = time.monotonic() - replica.snapshots.paced_at
    is_late = age > max(1.0, _LATE_TICKS * replica.settings.tick_seconds)
    return {"state": "late" if is_late else "ok", "age_seconds": round(age, 3)}


def _away(part: str, error: Exception) -> Part:
    """What it says may name hosts: that goes to the log."""
    logger.warning(f"health: the {part} is away: {type(error).__name__}: {error}")
    return {"state": "away"}


def _told(name: str) -> dict[int | str, dict[str, Any]]:
    """The same document whether it is ready or not."""
    found = responses(name, keyed=False)
    return found | {503: {**found[200], "description": "it cannot bid"}}
