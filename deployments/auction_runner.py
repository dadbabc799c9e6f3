"""The auction of prepared requests: admission, micro-batches, and the two stages of each batch."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from deployments.metrics.timings import Timings
from deployments.readiness import StageReadiness
from deployments.recording import DecisionSender
from deployments.stage_call import StageUnavailable
from deployments.tally import Tally
from rtb.auction.admission import Admission, ShedReason
from rtb.auction.batch import Answer, Batch, Prepared
from rtb.auction.edge import Edge
from rtb.auction.patience import DECIDE_SHARE, SCORE_SHARE, patience
from rtb.auction.stages import Auction, AuctionOutcome
from rtb.campaigns.stops import Stops
from rtb.events import EventSink
from rtb.models.features import Rows
from rtb.models.scores import Scores, prior_scores
from rtb.openrtb import NoBid
from rtb.runtime.micro_batcher import MicroBatcher
from rtb.targeting.frequency import FrequencyGate


class Stages(Protocol):
    """The two stages of a batch, wherever they run."""

    in_flight: int
    """Number of batches worth having in flight at once."""

    async def score(self, rows: Rows, seconds: float) -> Scores:
        """Score feature rows, shape `(n, fields)`: return probabilities, shape `(n, 2)`, and the model's version.

        Raises:
            StageUnavailable: no model answers within these seconds.
        """
        ...

    async def decide(self, auction: Auction, seconds: float) -> AuctionOutcome:
        """Run the internal auction of a batch.

        Raises:
            StageUnavailable: no bidder answers within these seconds.
        """
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

    async def readiness(self) -> dict[str, StageReadiness]:
        """Return how each stage is, by its name."""
        ...


class _Waiting(NamedTuple):
    """A request that waits for its batch."""

    request: Prepared
    deadline: float


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
            StageUnavailable: there is no bidder.
        """
        began = time.monotonic()
        answer, ended = await self._batcher.submit(_Waiting(request, deadline), deadline)
        self._admission.rest_took(began - (began if since is None else since) + time.monotonic() - ended)
        return answer

    async def bid_all(self, requests: Sequence[Prepared], deadline: float) -> list[Answer]:
        """Answer prepared requests together, in one batch.

        Args:
            requests: to answer; at least one.
            deadline: monotonic second after which the answers are useless.

        Raises:
            TimeoutError: the deadline passed before their batch began.
            StageUnavailable: there is no bidder.
        """
        answered = await self._batcher.submit_all([_Waiting(one, deadline) for one in requests], deadline)
        self._admission.rest_took(time.monotonic() - answered[-1][1])
        return [answer for answer, _ in answered]

    async def _timed(self, waiting: Sequence[_Waiting]) -> list[tuple[Answer, float]]:
        """Return each answer with the second it was ready: the rest of its latency is the event loop's."""
        began = time.monotonic()
        # The last deadline of the batch counts: a request in a hurry must not cost the others their model.
        answers = await self._answer([one.request for one in waiting], max(one.deadline for one in waiting))
        ended = time.monotonic()
        self._admission.batch_took(ended - began)
        return [(answer, ended) for answer in answers]

    async def _answer(self, requests: Sequence[Prepared], deadline: float) -> list[Answer]:
        note, since = self._note, time.monotonic()
        batch = await self._without_barred(self._edge.assemble(requests))
        assembled = time.monotonic()
        scores = await self._scores(batch, patience(deadline - assembled, SCORE_SHARE))
        scored = time.monotonic()
        auction = batch.auction(scores.probability)
        decisions = await self._stages.decide(auction, patience(deadline - scored, DECIDE_SHARE))
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

    async def _scores(self, batch: Batch, seconds: float) -> Scores:
        """Return the model's scores, or the prior's where no model answers."""
        try:
            return await self._stages.score(batch.rows, seconds)
        except StageUnavailable:
            self._tally.add("prior_requests", len(batch.requests))
            return prior_scores(len(batch.rows))

    async def _without_barred(self, batch: Batch) -> Batch:
        """Return the batch without candidates that are stopped or over their frequency cap."""
        verdict = await self._frequency.check(batch.campaign, batch.terms.user[batch.candidates.imp])
        stopped = self._stops.mask(batch.campaign)
        if verdict.barred.any():
            self._tally.add(f"candidates.{verdict.reason.name.lower()}", int(verdict.barred.sum()))
        elif not stopped.any():
            return batch
        return batch.without(verdict.barred | stopped, NoBid.NO_CANDIDATE if stopped.any() else verdict.reason)
