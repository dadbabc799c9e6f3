"""Whether the platform lives, can bid, and how each part of it is."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis.asyncio as aioredis
from fastapi import APIRouter
from msgspec import UNSET, Struct, UnsetType
from redis.exceptions import RedisError

from deployments.api.answers import StructResponse
from deployments.api.documents import responses
from deployments.ledger_guard import behind
from deployments.readiness import StageReadiness
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

STAGES_KEPT_SECONDS = 1.0
"""How long the answer of stages that lack nothing holds: each replica of each is asked."""

_PATIENCE_SECONDS = 1.5
"""The longest wait for a part; finding that a stage does not answer takes up to a second."""

_LATE_TICKS = 10.0
"""A pacing table older than so many of the Controller's ticks is late: bidding goes on by it, but blindly."""

_MOST_NAMED = 20

_UNFIT = ("unavailable", "none", "not_durable", "incomplete")
"""States of parts that bidding cannot do without."""


class Part(Struct, frozen=True, kw_only=True):
    """A part of the platform.

    Attributes:
        state: `ok`, or what is wrong with it.
        campaigns: of the ledger, where it is `behind`: how many campaigns it lost figures of.
        first: ids of the first of them.
        revision: of the catalog.
        ctr: version of the CTR model in use.
        policy: version of the pacing policy in use.
        length: events that are not in files yet.
        lag: age of the oldest of them, in seconds.
        age_seconds: of the pacing table that this replica bids by; of the exchange rates, since they were published.
        stopped_campaigns: how many campaigns are stopped one by one.
        left_out: how many records cannot be used.
        names: the first of them.
        replicas: of a stage: how many of them answered.
        lacks: of a stage: what at least one of them lacks: `ledger`, `model`, `pacing`; `replica`: one does not answer.
    """

    state: str
    campaigns: int | UnsetType = UNSET
    first: list[str] | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    ctr: str | UnsetType = UNSET
    policy: str | UnsetType = UNSET
    length: int | UnsetType = UNSET
    lag: float | UnsetType = UNSET
    age_seconds: float | UnsetType = UNSET
    stopped_campaigns: int | UnsetType = UNSET
    left_out: int | UnsetType = UNSET
    names: list[str] | UnsetType = UNSET
    replicas: int | UnsetType = UNSET
    lacks: list[str] | UnsetType = UNSET


class Health(Struct, frozen=True):
    """How the platform is.

    Attributes:
        status: `ok` when every part is, else `degraded`.
        campaigns: how many this replica knows.
    """

    status: str
    ledger: str
    durability: str
    campaigns: int
    parts: dict[str, Part]


class Live(Struct, frozen=True):
    """This replica answers."""

    status: str = "ok"


class Ready(Struct, frozen=True):
    """Whether this replica can bid, and the parts it lacks."""

    status: str
    missing: list[str]


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
    readiness: Callable[[], Awaitable[Mapping[str, StageReadiness]]]
    """Tells how each stage is."""


def routes(replica: HealthParts) -> APIRouter:
    """Build the calls about health; they need no key, and those of probes are never too many."""
    found = APIRouter(tags=["health"])
    stages = _Kept(lambda: _stages(replica), _stages_kept)
    all_parts, needed = _Kept(lambda: _parts(replica)), _Kept(lambda: _needed(replica))

    @found.get("/health", summary="Whether this replica can bid, and the state of each part", responses=_told(Health))
    async def health() -> StructResponse:
        """Answer 503 only when this replica cannot bid, as `/health/ready`; `status` is `ok` when every part is."""
        found, asked = await asyncio.gather(all_parts.get(), stages.get())
        parts = found | asked | _known(replica)
        health = Health(
            status="ok" if all(part.state == "ok" for part in parts.values()) else "degraded",
            ledger=parts["ledger"].state,
            durability=str(replica.durability.found),
            campaigns=replica.edge.campaigns,
            parts=parts,
        )
        return StructResponse(health, 503 if _missing(parts, asked) else 200)

    @found.get("/health/live", summary="Whether this replica answers at all", responses=responses(Live, keyed=False))
    async def live() -> StructResponse:
        return StructResponse(Live())

    @found.get("/health/ready", summary="Whether this replica can bid", responses=_told(Ready))
    async def ready() -> StructResponse:
        found, asked = await asyncio.gather(needed.get(), stages.get())
        missing = _missing(found | asked | {"snapshots": _snapshots(replica)}, asked)
        return StructResponse(Ready("unready" if missing else "ok", missing), 503 if missing else 200)

    return found


def _missing(parts: dict[str, Part], stages: Iterable[str]) -> list[str]:
    """Name what bidding lacks: the ledger, a first snapshot of the campaigns, or a stage with all that it needs."""
    return [name for name in ("ledger", "snapshots", *stages) if parts[name].state in _UNFIT]


class _Kept:
    """What was found last, kept for a moment; all who ask meanwhile wait for the same look.

    Args:
        look: finds it.
        seconds: how long it is kept.
    """

    def __init__(
        self,
        look: Callable[[], Coroutine[Any, Any, dict[str, Part]]],
        seconds: Callable[[dict[str, Part]], float] = lambda found: KEPT_SECONDS,
    ) -> None:
        self._look = look
        self._seconds = seconds
        self._at = -math.inf
        self._task: asyncio.Task[dict[str, Part]] | None = None

    async def get(self) -> dict[str, Part]:
        """Return what is found now, or was found a moment ago."""
        if self._task is None or (self._task.done() and self._is_old(self._task)):
            self._at = time.monotonic()
            self._task = asyncio.ensure_future(self._look())
        return await asyncio.shield(self._task)

    def _is_old(self, done: asyncio.Task[dict[str, Part]]) -> bool:
        has_failed = done.cancelled() or done.exception() is not None
        return has_failed or time.monotonic() - self._at > self._seconds(done.result())


async def _parts(replica: HealthParts) -> dict[str, Part]:
    names = ("ledger", "catalog", "models", "events")
    states = await asyncio.gather(_ledger(replica), _catalog(replica), _models(replica), _events(replica))
    return dict(zip(names, states, strict=True))


def _known(replica: HealthParts) -> dict[str, Part]:
    """Return what a replica knows without asking anybody: as it is now, also to those who get what was kept."""
    found = {"snapshots": _snapshots(replica), "bidding": _bidding(replica), "records": _records(replica)}
    return found | {"rates": _rates(replica)} if replica.snapshots.rates.is_configured else found


def _rates(replica: HealthParts) -> Part:
    """Return how the exchange rates are: by old or missing ones nothing is converted."""
    rates = replica.snapshots.rates
    age = rates.age_seconds
    state = "old" if rates.is_old else "ok" if rates.rates.rates else "missing"
    return Part(state=state, age_seconds=UNSET if age is None else round(age, 3))


def _records(replica: HealthParts) -> Part:
    """Return which records are left out; the log says why."""
    faults = replica.snapshots.left_out
    names = [f"{fault.kind} {visible(fault.name, 64)}" for fault in faults[:_MOST_NAMED]]
    return Part(state="left_out" if faults else "ok", left_out=len(faults), names=names)


def _bidding(replica: HealthParts) -> Part:
    """Return whether somebody stopped it all; campaigns stopped one by one are for the catalog to hear of."""
    state = "stopped" if replica.stops.is_everyone else "ok"
    return Part(state=state, stopped_campaigns=replica.stops.campaigns)


async def _needed(replica: HealthParts) -> dict[str, Part]:
    return {"ledger": await _ledger(replica)}


def _stages_kept(stages: dict[str, Part]) -> float:
    """Return how long the answer of the stages holds: one that lacks something is asked again soon."""
    return STAGES_KEPT_SECONDS if all(stage.state == "ok" for stage in stages.values()) else KEPT_SECONDS


async def _stages(replica: HealthParts) -> dict[str, Part]:
    """Return how each stage is; its replicas say what they lack."""
    return {
        name: Part(state=stage.state, replicas=stage.replicas, lacks=stage.lacks)
        for name, stage in (await replica.readiness()).items()
    }


async def _ledger(replica: HealthParts) -> Part:
    try:
        await asyncio.wait_for(replica.durability.look(), _PATIENCE_SECONDS)
        await asyncio.wait_for(replica.tally.flush(), _PATIENCE_SECONDS)
        lost = await asyncio.wait_for(behind(replica.client), _PATIENCE_SECONDS)
    except (LedgerError, RedisError, OSError, TimeoutError) as error:
        return _away("ledger", error)
    if replica.durability.refusal:
        return Part(state="not_durable")
    return Part(state="behind", campaigns=lost.count, first=lost.campaigns) if lost.count else Part(state="ok")


async def _catalog(replica: HealthParts) -> Part:
    try:
        revision = await asyncio.wait_for(asyncio.to_thread(replica.catalog.revision), _PATIENCE_SECONDS)
    except (CatalogError, OSError, TimeoutError) as error:
        return _away("catalog", error)
    return Part(state="ok", revision=revision)


async def _models(replica: HealthParts) -> Part:
    """Return the artefacts in use; a prior is well, a published model that could not be loaded is not."""
    try:
        artefacts = await asyncio.wait_for(replica.artefacts(), _PATIENCE_SECONDS)
    except Exception as error:  # whatever a handle raises: a stage's replica is being started, say
        return _away("models", error)
    refused = any("refused" in told for told in artefacts.values())
    versions = {name: told["version"] for name, told in artefacts.items()}
    return Part(state="refused" if refused else "ok", **versions)


async def _events(replica: HealthParts) -> Part:
    try:
        backlog = await replica.events.backlog()
    except (RedisError, OSError) as error:
        return _away("events", error)
    is_full = backlog.length >= replica.settings.event_backlog
    return Part(state="full" if is_full else "ok", length=backlog.length, lag=backlog.lag)


def _snapshots(replica: HealthParts) -> Part:
    """Return the age of the newest pacing table, which the Controller makes each tick."""
    if replica.snapshots.paced_at is None:
        return Part(state="none")
    age = time.monotonic() - replica.snapshots.paced_at
    is_late = age > max(1.0, _LATE_TICKS * replica.settings.tick_seconds)
    return Part(state="late" if is_late else "ok", age_seconds=round(age, 3))


def _away(part: str, error: Exception) -> Part:
    """Return a part that does not answer. What the error says may name hosts: it goes to the log."""
    logger.warning(f"health: the {part} is unavailable: {type(error).__name__}: {error}")
    return Part(state="unavailable")


def _told(kind: type[Struct]) -> dict[int | str, dict[str, Any]]:
    """Return what the document says of an answer that is the same whether the replica is ready or not."""
    found = responses(kind, keyed=False)
    return found | {503: {**found[200], "description": "it cannot bid"}}
