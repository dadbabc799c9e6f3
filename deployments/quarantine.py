"""Records left out because they cannot be used: the Controller publishes its list, Routers add their own."""

from __future__ import annotations

from collections.abc import Iterable

import redis.asyncio as aioredis

from deployments.wiring import logger
from rtb.pacing.snapshot import QUARANTINE, SnapshotPublisher, SnapshotSubscriber
from rtb.runtime.quarantine import RECORD_ERRORS, Fault, Quarantine, decode_faults, encode_faults


class QuarantineKeeper:
    """The Controller's side: logs what changed, and publishes it."""

    def __init__(self, publisher: SnapshotPublisher) -> None:
        self._publisher = publisher
        self._quarantine = Quarantine()
        self._published: list[Fault] | None = None

    @property
    def faults(self) -> list[Fault]:
        """All records left out, by kind and name."""
        return self._quarantine.faults

    def replace(self, source: str, faults: Iterable[Fault]) -> None:
        """Replace the faults of a source, and log those begun and ended."""
        begun, ended = self._quarantine.replace(source, faults)
        for fault in begun:
            logger.error(f"{fault.kind} {fault.name!r} is left out, all others go on: {fault.reason}")
        for fault in ended:
            logger.info(f"{fault.kind} {fault.name!r} is no longer left out for: {fault.reason}")

    async def publish(self) -> None:
        """Publish the list when it changed.

        Raises:
            RedisError: the server is unavailable; the next call tells them.
        """
        if self.faults != self._published:
            faults = self.faults
            await self._publisher.publish(QUARANTINE, encode_faults(faults))
            self._published = faults


class QuarantineFeed:
    """A Router's side: the records that the Controller leaves out."""

    def __init__(self, client: aioredis.Redis) -> None:
        self._subscriber = SnapshotSubscriber(client, QUARANTINE)
        self.faults: list[Fault] = []

    async def pull(self) -> None:
        """Fetch the list when it changed.

        Raises:
            RedisError: the server is unavailable.
        """
        body = await self._subscriber.pull()
        if body is not None:
            try:
                self.faults = decode_faults(body)
            except RECORD_ERRORS as error:  # a Controller of another version
                self.faults = [Fault.of("campaign", "the list of what is left out", error)]
