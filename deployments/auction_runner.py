"""The auction of prepared requests: admission, micro-batches, and the two stages of each batch."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from deployments.metrics.timings import Timings
from deployments.recording import DecisionSender
from deployments.tally import Tally
from rtb.auction.admission import Admission, ShedReason
from rtb.auction.batch import Answer, Batch, Prepared
from rtb.auction.edge import Edge
from rtb.auction.stages import Auction, AuctionOutcome
from rtb.campaigns.stops import Stops
from rtb.events import EventSink
from rtb.models.features import Rows
from rtb.models.scores import Scores
from rtb.openrtb import NoBid
from rtb.runtime.micro_batcher import MicroBatcher
from rtb.targeting.frequency import FrequencyGate


class Stages(Protocol):
    """The two stages of a batch, wherever they run."""

    in_flight: int
    """Number of batches worth having in flight at once."""

    async def score(self, rows: Rows) -> Scores:
        """Score feature rows, shape `(n, fields)`: return probabilities, shape `(n, 2)`, and the model's version."""
        ...

    async def decide(self, auction: Auction) -> AuctionOutcome:
        """Run the internal auction of a batch."""
        ...

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Set which artefacts to serve."""
        ...

    async def check_health(self) -> None:
        """Start and check the stages that run in this process."""
        ...

    async def artefacts(self) -> dict[str, dict[str, Any]]:
        """Describe the models in use: see `wiring.describe`."""
        ...


@dataclass(eq=False)
class AuctionRunner:
    """Answers prepared requests, at most `max_batch` at a time."""

    _stages: Stages
    _admission: Admission
    _max_batch: int
    _edge: Edge
    _frequency: FrequencyGate
    _stops: Stops
    _decisions: DecisionSender
    _events: EventSink
    _timings: Timings
    _tally: Tally

    def __post_init__(self) -> None:
        self._note = self._timings.note
        self._batcher = MicroBatcher(self._timed, self._max_batch, self._stages.in_flight)

    def sheds(self, seconds: float, coming: int = 1) -> ShedReason | None:
        """Return why requests with this time left should be shed; `None` where they should be admitted."""
        return self._admission.refuses(seconds, self._batcher.waiting, self._batcher.is_busy, coming)

    async def bid(self, request: Prepared, deadline: float = math.inf, since: float | None = None) -> Answer:
        """Answer a prepared request in the next micro-batch.

        Args:
            request: to answer.
            deadline: monotonic second after which the answer is useless.
            since: monotonic second at which work on it began, for the estimate of how long requests take.

        Raises:
            TimeoutError: the deadline passed before the answer was ready.
        """
        began = time.monotonic()
        answer, ended = await self._batcher.submit(request, deadline)
        self._admission.rest_took(began - (began if since is None else since) + time.monotonic() - ended)
        return answer

    async def bid_all(self, requests: Sequence[Prepared], deadline: float) -> list[Answer]:
        """Answer prepared requests together, in one batch.

        Args:
            requests: to answer; at least one.
            deadline: monotonic second after which the answers are useless.

        Raises:
            TimeoutError: the deadline passed before their batch began.
        """
        answered = await self._batcher.submit_all(requests, deadline)
        self._admission.rest_took(time.monotonic() - answered[-1][1])
        return [answer for answer, _ in answered]

    async def _timed(self, requests: Sequence[Prepared]) -> list[tuple[Answer, float]]:
        """Return each answer with the second it was ready: the rest of its latency is the event loop's."""
        began = time.monotonic()
        answers = await self._answer(requests)
        ended = time.monotonic()
        self._admission.batch_took(ended - began)
        return [(answer, ended) for answer in answers]

    async def _answer(self, requests: Sequence[Prepared]) -> list[Answer]:
        note, since = self._note, time.monotonic()
        batch = await self._without_barred(self._edge.assemble(requests))
        assembled = time.monotonic()
        scores = await self._stages.score(batch.rows)
        scored = time.monotonic()
        decisions = await self._stages.decide(batch.auction(scores.probability))
        decided = time.monotonic()
        answers, events = self._edge.render(batch, scores.probability, decisions)
        self._decisions.note(batch, scores, decisions)
        for event in events:
            self._events.put(event)
        note("stage", "assemble", assembled - since)
        note("stage", "score", scored - assembled)
        note("stage", "decide", decided - scored)
        note("stage", "render", time.monotonic() - decided)
        note("batch", "", len(requests))
        return answers

    async def _without_barred(self, batch: Batch) -> Batch:
        """Return the batch without candidates that are stopped or over their frequency cap."""
        verdict = await self._frequency.check(batch.campaign, batch.terms.user[batch.candidates.imp])
        stopped = self._stops.mask(batch.campaign)
        if verdict.barred.any():
            self._tally.add(f"candidates.{verdict.reason.name.lower()}", int(verdict.barred.sum()))
        elif not stopped.any():
            return batch
        return batch.without(verdict.barred | stopped, NoBid.NO_CANDIDATE if stopped.any() else verdict.reason)
