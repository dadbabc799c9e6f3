"""What is left out: the Controller says it, and every Router tells it with what it leaves out itself."""

from __future__ import annotations

from collections.abc import Iterable

import redis.asyncio as aioredis

from deployments.wiring import logger
from rtb.pacing.snapshot import QUARANTINE, Publisher, Subscriber
from rtb.runtime.quarantine import RECORD_ERRORS, Fault, Quarantine, decode_faults, encode_faults


class QuarantineKeeper:
    """One process's quarantine: says in the log what changed, and publishes it where others should know.

    Args:
        publisher: tells the replicas.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._quarantine = Quarantine()
        self._published: list[Fault] | None = None

    @property
    def faults(self) -> list[Fault]:
        """All that is left out, by kind and name."""
        return self._quarantine.faults

    def replace(self, source: str, faults: Iterable[Fault]) -> None:
        """Take what a source leaves out now for what it left out before."""
        begun, ended = self._quarantine.replace(source, faults)
        for fault in begun:
            logger.error(f"{fault.kind} {fault.name!r} is left out, all others go on: {fault.reason}")
        for fault in ended:
            logger.info(f"{fault.kind} {fault.name!r} is no longer left out for: {fault.reason}")

    async def publish(self) -> None:
        """Tell the replicas, when something changed.

        Raises:
            RedisError: the server is away; the next call tells them.
        """
        if self.faults != self._published:
            faults = self.faults
            await self._publisher.publish(QUARANTINE, encode_faults(faults))
            self._published = faults


class QuarantineFeed:
    """A replica's side: what the Controller leaves out.

    Args:
        client: of the server that tells it.
    """

    def __init__(self, client: aioredis.Redis) -> None:
        self._subscriber = Subscriber(client, QUARANTINE)
        self.faults: list[Fault] = []

    async def pull(self) -> None:
        """Take up what changed.

        Raises:
            RedisError: the server is away.
        """
        body = await self._subscriber.pull()
        if body is not None:
            try:
                self.faults = decode_faults(body)
            except RECORD_ERRORS as error:  # a Controller of another version
                self.faults = [Fault.of("campaign", "the list of what is left out", error)]
