"""Whether the platform lives, can bid, and how each part of it is."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from deployments.api.documents import responses
from deployments.ledger_guard import behind
from deployments.wiring import logger
from rtb.catalog import CatalogError
from rtb.ledger import LedgerError
from rtb.runtime.text import visible

if TYPE_CHECKING:
    from deployments.router import Router

KEPT_SECONDS = 0.25
"""How long an answer holds: a flood of questions reaches neither ledger nor catalog."""

_PATIENCE_SECONDS = 1.0
_LATE_TICKS = 10.0
"""A pacing table older than so many of the Controller's ticks is late: bidding goes on by it, but blindly."""

_MOST_NAMED = 20

Part = dict[str, Any]


def routes(router: Router) -> APIRouter:
    """The calls about health; they need no key, and those of probes are never too many."""
    found = APIRouter(tags=["health"])
    all_parts, needed = _Kept(lambda: _parts(router)), _Kept(lambda: _needed(router))

    @found.get("/health", summary="Whether this replica can bid, and the state of each part", responses=_told("Health"))
    async def health() -> JSONResponse:
        """`status` is `ok` when every part is; 503 only when this replica cannot bid, as `/health/ready`."""
        parts = await all_parts.get() | _known(router)
        state = {
            "status": "ok" if all(part["state"] == "ok" for part in parts.values()) else "degraded",
            "ledger": parts["ledger"]["state"],
            "durability": str(router.durability.found),
            "campaigns": router.edge.campaigns,
            "parts": parts,
        }
        return JSONResponse(state, 200 if _is_ready(parts) else 503)

    @found.get("/health/live", summary="Whether this replica answers at all", responses=responses("Live", keyed=False))
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @found.get("/health/ready", summary="Whether this replica can bid", responses=_told("Ready"))
    async def ready() -> JSONResponse:
        parts = await needed.get() | {"snapshots": _snapshots(router)}
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


async def _parts(router: Router) -> dict[str, Part]:
    names = ("ledger", "catalog", "models", "events")
    states = await asyncio.gather(_ledger(router), _catalog(router), _models(router), _events(router))
    return dict(zip(names, states, strict=True))


def _known(router: Router) -> dict[str, Part]:
    """What a replica knows without asking anybody: told as it is now, also to those who get what was kept."""
    return {"snapshots": _snapshots(router), "bidding": _bidding(router), "records": _records(router)}


def _records(router: Router) -> Part:
    """Return how many records are left out because they cannot be used, and the first of them; the log says why."""
    faults = router.left_out
    names = [f"{fault.kind} {visible(fault.name, 64)}" for fault in faults[:_MOST_NAMED]]
    return {"state": "left_out" if faults else "ok", "left_out": len(faults), "names": names}


def _bidding(router: Router) -> Part:
    """Whether somebody stopped it all; campaigns stopped one by one are for the catalog to hear of."""
    return {"state": "stopped" if router.stops.is_everyone else "ok", "stopped_campaigns": router.stops.campaigns}


async def _needed(router: Router) -> dict[str, Part]:
    return {"ledger": await _ledger(router)}


async def _ledger(router: Router) -> Part:
    try:
        await asyncio.wait_for(router.durability.look(), _PATIENCE_SECONDS)
        await asyncio.wait_for(router.tally.flush(), _PATIENCE_SECONDS)
        lost = await asyncio.wait_for(behind(router.client), _PATIENCE_SECONDS)
    except (LedgerError, RedisError, OSError, TimeoutError) as error:
        return _away("ledger", error)
    if router.durability.refusal:
        return {"state": "not_durable"}
    return {"state": "behind", "campaigns": lost.count, "first": lost.campaigns} if lost.count else {"state": "ok"}


async def _catalog(router: Router) -> Part:
    try:
        revision = await asyncio.wait_for(asyncio.to_thread(router.catalog.revision), _PATIENCE_SECONDS)
    except (CatalogError, OSError, TimeoutError) as error:
        return _away("catalog", error)
    return {"state": "ok", "revision": revision}


async def _models(router: Router) -> Part:
    """Artefacts in use; a part that bids on a prior is well, one that could not load what was published is not."""
    try:
        artefacts = await asyncio.wait_for(router.stages.artefacts(), _PATIENCE_SECONDS)
    except Exception as error:  # whatever a handle raises: a stage's replica is being started, say
        return _away("models", error)
    refused = any("refused" in told for told in artefacts.values())
    return {"state": "refused" if refused else "ok", **{name: told["version"] for name, told in artefacts.items()}}


async def _events(router: Router) -> Part:
    try:
        backlog = await router.events.backlog()
    except (RedisError, OSError) as error:
        return _away("events", error)
    is_full = backlog.length >= router.settings.event_backlog
    return {"state": "full" if is_full else "ok", **backlog._asdict()}


def _snapshots(router: Router) -> Part:
    """Age of the newest pacing table, which the Controller makes each tick."""
    if router.paced_at is None:
        return {"state": "none"}
    age = time.monotonic() - router.paced_at
    is_late = age > max(1.0, _LATE_TICKS * router.settings.tick_seconds)
    return {"state": "late" if is_late else "ok", "age_seconds": round(age, 3)}


def _away(part: str, error: Exception) -> Part:
    """What it says may name hosts: that goes to the log."""
    logger.warning(f"health: the {part} is away: {type(error).__name__}: {error}")
    return {"state": "away"}


def _told(name: str) -> dict[int | str, dict[str, Any]]:
    """The same document whether it is ready or not."""
    found = responses(name, keyed=False)
    return found | {503: {**found[200], "description": "it cannot bid"}}
