"""The Controller's side of explaining bids: it stores decisions with what they were made by, and explains them.

Nothing here may stop the Controller's other work. Where something cannot be stored, the log says so once, and bids of
that time cannot be explained.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import redis.asyncio as aioredis

from deployments.wiring import logger
from rtb.experiment import decode
from rtb.explain.explain import explain
from rtb.explain.records import Parcel
from rtb.explain.snapshot_loader import RecomputeError
from rtb.explain.store import DecisionStore, NotKept
from rtb.models.registry import KINDS
from rtb.pacing.snapshot import EXPERIMENT, model_key, staged_model_key
from rtb.runtime.settings import Settings

Answer = TypeVar("Answer")

_MEGABYTE = 1_000_000
_MOST_ASKING = 3
_PRIORS = ("untrained", "neutral")
"""Versions of what serves before anything is trained: it is in the code."""


class ExplainReply(msgspec.Struct, frozen=True):
    """The Controller's answer about a bid.

    Attributes:
        status: of the answer over REST.
        body: JSON of the explanation; none where there is none.
        problem: why there is none.
    """

    status: int
    body: bytes = b""
    problem: str = ""


class DecisionKeeper:
    """Stores decisions in the Controller's folder."""

    def __init__(self, client: aioredis.Redis, settings: Settings) -> None:
        self._client: Any = client
        self._settings = settings
        self._store: DecisionStore | None = None
        self._complained = False
        self._explaining = asyncio.Lock()
        self._asking = 0

    @property
    def is_on(self) -> bool:
        """Whether decisions are stored at all."""
        return self._settings.decision_hours > 0

    async def keep(self, parcel: Parcel) -> None:
        """Store decisions, and the models they were made by where those are not stored yet.

        Raises:
            RedisError: the server that has the models is unavailable; the parcel may be sent again.
        """
        if not self.is_on:
            return
        missing = await self._try(lambda store: store.keep(parcel))
        for kind, version in missing or ():
            body = await self._model(kind, version) if kind in KINDS and version not in _PRIORS else None
            if body is not None:
                await self.keep_snapshot(kind, version, body)

    async def keep_snapshot(self, kind: str, version: str, body: bytes) -> None:
        """Store a catalog, a pacing table or a model."""
        if self.is_on:
            await self._try(lambda store: store.keep_snapshot(kind, version, body, time.time()))

    async def prune(self) -> None:
        """Delete what is too old or too much."""
        if self.is_on:
            await self._try(lambda store: store.prune(time.time()))

    async def explain(self, bid_id: str) -> ExplainReply:
        """Explain a bid; one at a time, in a thread."""
        if not self.is_on:
            return ExplainReply(
                404, problem="nothing is recorded: set RAYBID_DECISION_HOURS above 0 to explain later bids"
            )
        if self._asking >= _MOST_ASKING:  # who keeps decisions must not wait behind those who ask
            return ExplainReply(503, problem="other bids are being explained: try again")
        self._asking += 1
        try:
            return await self._in_turn(bid_id)
        finally:
            self._asking -= 1

    async def _in_turn(self, bid_id: str) -> ExplainReply:
        async with self._explaining:
            try:
                return ExplainReply(200, await asyncio.to_thread(self._explained, bid_id))
            except NotKept as error:
                return ExplainReply(404, problem=str(error))
            except RecomputeError as error:
                return ExplainReply(409, problem=f"the bid does not come out again: {error}")
            except (sqlite3.Error, OSError, ValueError) as error:
                logger.error(f"bid {bid_id} cannot be explained: {error}")
                return ExplainReply(503, problem="what is recorded cannot be read; the Controller's log says why")

    def close(self) -> None:
        """Close the file."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _explained(self, bid_id: str) -> bytes:
        return msgspec.json.encode(explain(self._settings, bid_id))

    async def _model(self, kind: str, version: str) -> bytes | None:
        """Find a model that serves, or served a moment ago."""
        published, body = await self._client.hmget(model_key(kind), "version", "body")
        if published is not None and published.decode() == version:
            return bytes(body)
        staged = await self._client.get(staged_model_key(kind, version))
        if staged is not None:
            return bytes(staged)
        challenger = await self._client.hget(EXPERIMENT, "body") if kind == "policy" else None
        if challenger is not None:
            experiment = decode(challenger)
            if experiment.version == version:
                return experiment.artefact
        return None

    async def _try(self, call: Callable[[DecisionStore], Answer]) -> Answer | None:
        """Call the store; return `None` where it cannot be used just now."""
        try:
            answer = await asyncio.to_thread(self._call, call)
        except (sqlite3.Error, OSError) as error:
            if not self._complained:
                logger.warning(f"bids made now cannot be explained later, {self._settings.decisions_path}: {error}")
            self._complained = True
            return None
        if self._complained:
            logger.info("bids can be explained again")
        self._complained = False
        return answer

    def _call(self, call: Callable[[DecisionStore], Answer]) -> Answer:
        if self._store is None:
            settings = self._settings
            self._store = DecisionStore(
                settings.decisions_path,
                seconds=settings.decision_hours * 3_600,
                most_bytes=settings.decision_megabytes * _MEGABYTE,
            )
        return call(self._store)
