"""The Controller's work on events: write them to files, learn from them on the way, delete old ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import pyarrow as pa

from deployments.tally import Tally
from deployments.wiring import event_writer, logger
from rtb.catalog import Catalog
from rtb.events import parquet
from rtb.models.ctr_monitor import CalibrationMonitor
from rtb.models.winrate.learner import MarketLearner
from rtb.models.winrate.market import CampaignMarket
from rtb.runtime.quarantine import Fault
from rtb.runtime.settings import Settings

_RECALL_SECONDS = 120.0


class EventKeeper:
    """Writes events, merges the files of past hours, deletes old ones."""

    def __init__(self, settings: Settings, catalog: Catalog, tally: Tally) -> None:
        times = settings.notice_times  # notices of interstitials, which may take far longer, are not waited for
        self._learner = MarketLearner(max(times.web, times.app, times.native))
        self._calibration = CalibrationMonitor()
        self._writer = event_writer(settings, catalog, self._observe)
        self._folder, self._days = settings.events_dir, settings.event_days
        self._tally = tally
        self._has_recalled = False

    @property
    def markets(self) -> Mapping[int, CampaignMarket]:
        """What it takes to win, by campaign number."""
        return self._learner.markets

    @property
    def faults(self) -> list[Fault]:
        """Events that cannot be used."""
        return [*self._writer.faults.values()]

    async def write(self) -> None:
        """Move events from the stream into files.

        Raises:
            RedisError, CatalogError, StreamError, OSError: a part is unavailable; the next call goes on.
        """
        if not self._has_recalled:
            self._has_recalled = True
            await self._recall()
        await asyncio.to_thread(self._writer.drain)
        sums = self._calibration.take()
        self._tally.add("predicted_micros", round(sums.predicted * 1e6))
        self._tally.add("observed_clicks", sums.observed)
        await self._tally.flush()

    async def merge(self) -> None:
        """Merge one hour's files, no more at a time so that the machine stays responsive, and delete old ones."""
        await asyncio.to_thread(self._writer.merge)
        if self._days:
            await asyncio.to_thread(self._writer.forget, time.time() - self._days * 86_400)

    def close(self) -> None:
        """Close the writer."""
        self._writer.close()

    def _observe(self, events: pa.Table) -> None:
        """Learn of events, in the thread that writes them."""
        self._learner.observe(events)
        self._calibration.observe(events)

    async def _recall(self) -> None:
        """Learn the markets from the last events written, as the Controller before this one had."""
        since = f"{max(0, int((time.time() - _RECALL_SECONDS) * 1_000))}-0"

        def read() -> None:
            for run in parquet.runs(self._folder, since, lambda _: None):  # the writer says which
                self._learner.observe(run.table)

        try:
            await asyncio.to_thread(read)
        except OSError as error:
            logger.warning(f"markets are learned anew, the events written cannot be read: {error}")
