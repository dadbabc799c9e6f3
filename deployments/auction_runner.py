"""A prepared request's way through the stages: admission, micro-batches, the internal auction of each batch."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from deployments.metrics.timings import Timings
from deployments.recording import DecisionSender
from deployments.tally import Tally
from rtb.auction.admission import Admission, Shed
from rtb.auction.batch import Answer, Batch, Prepared
from rtb.auction.edge import Edge
from rtb.auction.stages import Auction, Decisions
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
    """Number of batches that can usefully be on their way at once."""

    async def score(self, rows: Rows) -> Scores:
        """Score feature rows, shape `(n, fields)`: probabilities, shape `(n, 2)`, and the model they are by."""
        ...

    async def decide(self, auction: Auction) -> Decisions:
        """Hold the internal auction of a batch."""
        ...

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Set which artefacts to serve."""
        ...

    async def check_health(self) -> None:
        """Start and check what runs in this process."""
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

    def sheds(self, seconds: float, coming: int = 1) -> Shed | None:
        """Return why requests that must be answered in this time should not be begun, `None` when they should."""
        return self._admission.refuses(seconds, self._batcher.waiting, self._batcher.is_busy, coming)

    async def bid(self, request: Prepared, deadline: float = math.inf, since: float | None = None) -> Answer:
        """Answer a prepared request, by way of the next micro-batch.

        Args:
            request: to answer.
            deadline: monotonic second after which nobody wants the answer.
            since: when work on it began here, for the record of how long requests take.

        Raises:
            TimeoutError: its deadline came before its answer.
        """
        began = time.monotonic()
        answer, ended = await self._batcher.submit(request, deadline)
        self._admission.rest_took(began - (began if since is None else since) + time.monotonic() - ended)
        return answer

    async def bid_all(self, requests: Sequence[Prepared], deadline: float) -> list[Answer]:
        """Answer prepared requests that go through the stages together, in one batch.

        Args:
            requests: to answer; at least one.
            deadline: monotonic second after which nobody wants the answers.

        Raises:
            TimeoutError: their turn did not come before the deadline.
        """
        answered = await self._batcher.submit_all(requests, deadline)
        self._admission.rest_took(time.monotonic() - answered[-1][1])
        return [answer for answer, _ in answered]

    async def _timed(self, requests: Sequence[Prepared]) -> list[tuple[Answer, float]]:
        """Return each answer with when it was ready; what follows is the event loop's way to those who wait."""
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
        """Return a batch without candidates that are stopped, or whose users have seen enough of them."""
        verdict = await self._frequency.check(batch.campaign, batch.terms.user[batch.candidates.imp])
        stopped = self._stops.mask(batch.campaign)
        if verdict.barred.any():
            self._tally.add(f"candidates.{verdict.reason.name.lower()}", int(verdict.barred.sum()))
        elif not stopped.any():
            return batch
        return batch.without(verdict.barred | stopped, NoBid.NO_CANDIDATE if stopped.any() else verdict.reason)
