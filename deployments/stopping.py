"""Stopping campaigns at once, without disk or server: Routers exchange stops through the Controller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence, Set
from contextlib import suppress
from typing import Any

import msgspec
import redis.asyncio as aioredis
from redis.exceptions import RedisError

from deployments.wiring import logger
from rtb.campaigns.stops import Stop, Stops
from rtb.catalog import CampaignArchived, CampaignUnknown, Catalog, CatalogError

KEY = "raybid:stops"
"""Where the word is left for a Controller that is started anew with all others, as far as that can be written."""

_TAKEN_UP_SECONDS = 10.0
"""By then a change of the catalog has come to all replicas."""

_TELL_SECONDS = 2.0


class StopSwitch:
    """A Router's side: stops and restarts bidding for a campaign, or for all."""

    def __init__(self, stops: Stops, controller: Any) -> None:
        self._stops = stops
        self._controller = controller

    async def set(self, stop: Stop) -> None:
        """Apply a stop here at once, and pass it on to the other replicas."""
        self._stops.hear([msgspec.structs.replace(stop, at=self._stops.moment(stop.number, stop.at))])
        try:
            await asyncio.wait_for(self.exchange(), _TELL_SECONDS)
        except Exception as error:  # whatever a handle raises: it is told again and again
            logger.warning(f"the others hear later who is stopped: {type(error).__name__}: {error}")

    async def exchange(self) -> None:
        """Send the stops known here to the Controller, and apply those known there."""
        self._stops.hear(await self._controller.stops.remote(self._stops.all()))


class StopKeeper:
    """The Controller's side: passes stops on, and enters them in the catalog once it can be written."""

    def __init__(self, client: aioredis.Redis, catalog: Catalog) -> None:
        self._client = client
        self._catalog = catalog
        self._stops = Stops()
        self._entered: dict[Stop, float] = {}
        self._is_kept = False
        self._has_read = False

    async def exchange(self, told: Sequence[Stop]) -> list[Stop]:
        """Take the stops of a Router, and return all known ones. Needs no disk and no server."""
        if self._stops.hear(told):
            self._is_kept = False
            for one in told:
                if one.is_on:
                    logger.warning(f"{one.campaign or one.number or 'everyone'} is to bid no more, says {one.actor}")
        return self._stops.all()

    async def keep(self, active: Set[int]) -> None:
        """Store the stops outside this process, and enter in the catalog those it lacks.

        What the catalog has heard of is lifted once the replicas have had time to load the snapshot that says so:
        while nothing can be written no such snapshot is published.

        Args:
            active: numbers of the campaigns that the last published snapshot lets bid.
        """
        await self._write()
        now = time.time()
        for one in self._stops.all():
            if not one.is_on or not one.campaign:
                continue
            if one.number in active:
                self._entered.pop(one, None)
                await self._enter(one)
            elif one not in self._entered:
                self._entered[one] = now
            elif now - self._entered[one] > _TAKEN_UP_SECONDS:
                del self._entered[one]
                self._stops.hear([msgspec.structs.replace(one, at=now, is_on=False)])
                self._is_kept = False

    async def _write(self) -> None:
        try:
            if not self._has_read:
                kept = await self._client.get(KEY)
                self._stops.hear(msgspec.json.decode(kept, type=list[Stop]) if kept else ())
                self._has_read = True
            if not self._is_kept and self._stops.all():
                await self._client.set(KEY, msgspec.json.encode(self._stops.all()))
            self._is_kept = True
        except (RedisError, OSError) as error:
            logger.debug(f"who is stopped is in memory only: {error}")

    async def _enter(self, one: Stop) -> None:
        """Pause a campaign in the catalog; where it cannot be written the next call does."""
        with suppress(CampaignArchived, CampaignUnknown, CatalogError, OSError):
            await asyncio.to_thread(self._catalog.pause, one.campaign, one.actor)
