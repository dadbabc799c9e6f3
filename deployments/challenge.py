"""The experiment as replicas follow it: each polls it a few times a second, like catalog and pacing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import redis.asyncio as aioredis

from deployments.wiring import logger
from rtb.experiment import Experiment, decode
from rtb.models import policy
from rtb.models.artefacts import ArtefactError, load_packed
from rtb.models.policy import Policy
from rtb.pacing.snapshot import EXPERIMENT, SnapshotSubscriber


class ExperimentFeed:
    """Follows the experiment that runs, or ran last."""

    def __init__(self, client: aioredis.Redis) -> None:
        self._subscriber = SnapshotSubscriber(client, EXPERIMENT)
        self.experiment: Experiment | None = None

    async def pull(self) -> bool:
        """Poll the experiment; return whether it changed.

        Raises:
            RedisError: the server is unavailable.
        """
        body = await self._subscriber.pull()
        if body is None:
            return False
        try:
            self.experiment = decode(body)
        except msgspec.DecodeError as error:
            logger.error(f"the experiment cannot be read, it is as if there were none: {error}")
            self.experiment = None
        return True


class ChallengerFeed:
    """A bidder's side: loads the challenger of the experiment that runs, and drops it at the end.

    Args:
        client: of the server that has it.
        take: sets the challenger, or none; called on the event loop, between two batches.
    """

    def __init__(self, client: aioredis.Redis, take: Callable[[Policy | None], None]) -> None:
        self._feed = ExperimentFeed(client)
        self._take = take

    async def pull(self) -> None:
        """Apply what changed since the last call.

        Raises:
            RedisError: the server is unavailable.
        """
        if not await self._feed.pull():
            return
        experiment = self._feed.experiment
        if experiment is None or not experiment.is_running:
            self._take(None)
            return
        try:
            challenger = await asyncio.to_thread(load_packed, experiment.artefact, policy.load)
        except (ArtefactError, OSError) as error:
            logger.error(f"challenger {experiment.version} cannot be used, nothing is bid from its money: {error}")
            self._take(None)
            return
        self._take(challenger)
        logger.info(f"challenger {experiment.version} bids for {experiment.share:.0%} of the traffic")
