"""The Router's side of explaining bids: it sends decisions to the Controller in the background.

Not through the ledger's server, which syncs every write to disk: losing some of this only costs an explanation.
"""

from __future__ import annotations

import asyncio
from typing import Any

from deployments.explain import ExplainReply
from deployments.tally import Tally
from deployments.wiring import logger
from rtb.auction.batch import Batch
from rtb.auction.stages import AuctionOutcome
from rtb.explain.recorder import Recorder
from rtb.explain.records import BatchRecord
from rtb.inventory.user_data import policy_of
from rtb.models.scores import Scores
from rtb.runtime.outbox import Outbox, Stamp
from rtb.runtime.settings import Settings


class DecisionSender:
    """Records decisions and sends them; does nothing where none are to be stored."""

    def __init__(self, settings: Settings, controller: Any, tally: Tally) -> None:
        self._recorder = Recorder(
            currency=settings.currency,
            max_imps=settings.max_imps,
            max_candidates=settings.max_candidates,
            policy=policy_of(settings.gvl_id, settings.user_sources, settings.segment_providers),
        )
        self._is_on = settings.decision_hours > 0
        self._controller = controller
        self._tally = tally
        self._outbox: Outbox[list[BatchRecord]] = Outbox(self._deliver)
        self._dropped = 0
        self._has_lost = False

    def note(self, batch: Batch, scores: Scores, outcome: AuctionOutcome) -> None:
        """Record the bids of a batch. No error here may keep them from being sent."""
        if not self._is_on:
            return
        try:
            self._recorder.note(batch, scores, outcome)
        except Exception as error:
            self._lose(len(outcome.candidate), error)

    async def send(self) -> None:
        """Send what was recorded; what is not acknowledged is sent again at the next call."""
        try:
            await self._outbox.send(self._recorder.take)
            while self._recorder.is_waiting:
                await self._outbox.send(self._recorder.take)
        finally:
            if self._recorder.dropped > self._dropped:
                self._tally.add("decisions_dropped", self._recorder.dropped - self._dropped)
                self._dropped = self._recorder.dropped

    async def explain(self, bid_id: str) -> ExplainReply:
        """Ask the Controller why a bid was what it was; raises whatever a handle raises."""
        told: ExplainReply = await self._controller.explain.remote(bid_id)
        return told

    async def _deliver(self, stamp: Stamp, batches: list[BatchRecord]) -> None:
        try:
            parcel = await asyncio.to_thread(self._recorder.pack, f"{stamp.sender}-{stamp.number}", batches)
        except Exception as error:  # it would be so the next time, and all that comes behind it would wait
            self._lose(sum(len(request.bids) for batch in batches for request in batch.requests), error)
            return
        await self._controller.keep.remote(parcel)

    def _lose(self, bids: int, error: Exception) -> None:
        """Count bids that an error of ours keeps from being explained; log the first."""
        if not self._has_lost:
            logger.error("bids cannot be recorded, so not be explained", exc_info=error)
        self._has_lost = True
        self._tally.add("decisions_dropped", bids)
