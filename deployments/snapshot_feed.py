"""The snapshots that a Router bids by: catalog, pacing table, experiment, rates, lists of sellers, records left out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import redis.asyncio as aioredis
from redis.exceptions import RedisError

from deployments.challenge import ExperimentFeed
from deployments.quarantine import QuarantineFeed
from deployments.wiring import logger
from rtb.auction.edge import Edge
from rtb.ledger import DurabilityWatch, LedgerError
from rtb.money.accounts import campaign_of
from rtb.money.currency import RatesFeed
from rtb.pacing import snapshot
from rtb.runtime import gc_control
from rtb.runtime.quarantine import Fault
from rtb.sellers import SellerFeed
from rtb.targeting.frequency import FrequencyGate, caps_of


@dataclass(eq=False)
class SnapshotFeed:
    """Follows the snapshots that the Controller publishes.

    Attributes:
        pacing: the last pacing table.
        paced_at: monotonic second at which it came; `None` before the first.
    """

    _client: aioredis.Redis
    _edge: Edge
    _frequency: FrequencyGate
    _durability: DurabilityWatch
    _rates: RatesFeed
    _experiment: ExperimentFeed
    _sellers: SellerFeed
    _exchange_faults: Sequence[Fault]

    def __post_init__(self) -> None:
        self._quarantine = QuarantineFeed(self._client)
        self._catalog_feed = snapshot.SnapshotSubscriber(self._client, snapshot.CATALOG)
        self._catalog_reader = snapshot.CatalogReader()
        self._pacing_feed = snapshot.SnapshotSubscriber(self._client, snapshot.PACING)
        self._pacing_faults: list[Fault] = []
        self.pacing: snapshot.PacingTable = np.zeros(0, snapshot.PACING_DTYPE)
        self.paced_at: float | None = None

    @property
    def left_out(self) -> list[Fault]:
        """Records that cannot be used: those the Controller names, and those that this code cannot read."""
        own = (*self._catalog_reader.faults, *self._exchange_faults, *self._rates.faults, *self._pacing_faults)
        own = (*own, *self._sellers.faults)
        return sorted({*self._quarantine.faults, *own})

    @property
    def rates(self) -> RatesFeed:
        """The exchange rates, with their age."""
        return self._rates

    async def catch_up(self) -> None:
        """Read catalog and pacing table before the first request; go on without where the ledger is unavailable."""
        try:
            await self.pull()
        except (LedgerError, RedisError, OSError) as error:
            logger.warning(f"the campaigns are not known yet: {error}")

    async def pull(self) -> None:
        """Apply new rates, a new experiment, a new catalog or a new pacing table.

        Raises:
            RedisError: the server is unavailable.
        """
        if self._rates.refresh():
            self._edge.set_rates(self._rates.rates)
        if await self._experiment.pull():
            experiment = self._experiment.experiment
            self._edge.set_split(None if experiment is None else experiment.split)
        await self._quarantine.pull()
        await self._pull_catalog()
        await self._pull_pacing()

    async def pull_sellers(self) -> None:
        """Fetch lists of sellers that are old, and apply what changed; in a thread, as servers may be slow.

        Raises:
            OSError: the folder of the copies cannot be written.
        """
        if await asyncio.to_thread(self._sellers.refresh):
            self._edge.set_sellers(self._sellers.directory)

    async def pull_rates(self) -> None:
        """Fetch exchange rates that are old; in a thread, as their server may be slow. The next `pull` applies them.

        Raises:
            OSError: the folder of the copy cannot be written.
        """
        await asyncio.to_thread(self._rates.fetch)

    async def _pull_catalog(self) -> None:
        catalog = await self._catalog_feed.pull()
        if catalog is None:
            return
        # In a thread: of ten thousand campaigns it takes a second, and requests must not wait for it.
        with gc_control.gc_paused():
            listings = await asyncio.to_thread(self._catalog_reader.read, catalog)
            view = await asyncio.to_thread(self._edge.view, listings, self._catalog_feed.version)
            caps = await asyncio.to_thread(caps_of, listings)
            gc_control.freeze_if_large(self._catalog_reader.fresh)
        self._edge.show(view)
        self._frequency.recap(caps)
        self._pacing_feed.forget()  # the mask of open campaigns belongs to a catalog: fetch it again

    async def _pull_pacing(self) -> None:
        body = await self._pacing_feed.pull()
        if body is None:
            return
        self.paced_at = time.monotonic()
        try:
            self.pacing = table = snapshot.decode_pacing(body)
        except ValueError as error:  # a Controller of another version: what was known before holds
            self._pacing_faults = [Fault.of("pacing", "the pacing table's snapshot", error)]
            return
        self._pacing_faults = []
        # A bid whose notices would be refused is not to be made.
        campaigns = campaign_of(table["number"][table["open"]])  # one is open when it or its arm is
        self._edge.set_open([] if self._durability.refusal else campaigns.tolist(), self._pacing_feed.version)
