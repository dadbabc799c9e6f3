"""The Router: the ASGI ingress. Exchanges talk to a raw fast path, people to the FastAPI application beside it."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from ray import serve
from redis.exceptions import RedisError

from deployments.api.app import Rest
from deployments.challenge import ExperimentFeed
from deployments.fast_path import FastPath
from deployments.guard import AccessGuard
from deployments.ingress import serve_early
from deployments.listening import listen_on_node_address
from deployments.metrics.caches import CacheWatch
from deployments.metrics.timings import Timings
from deployments.notice_desk import NoticeDesk
from deployments.quarantine import QuarantineFeed
from deployments.recording import DecisionSender
from deployments.scaling import HELD
from deployments.tally import Tally
from deployments.wiring import guarded_settings, ledger_client, logger, repeat
from rtb import exchanges
from rtb.auction.admission import Admission, Shed
from rtb.auction.batch import Answer, Batch, Prepared
from rtb.auction.edge import Edge
from rtb.auction.stages import Auction, Decisions
from rtb.campaigns.stops import Stop, Stops
from rtb.catalog import Catalog, CatalogError, KeyRing, standing_keys
from rtb.events import EventSink
from rtb.ledger import DurabilityWatch, LedgerError, ValkeyLedger
from rtb.models.features import Rows
from rtb.models.scores import Scores
from rtb.money.accounts import campaign_of
from rtb.money.currency import RatesFile
from rtb.openrtb import NoBid
from rtb.pacing import snapshot
from rtb.runtime import gc_control
from rtb.runtime.micro_batcher import MicroBatcher
from rtb.runtime.quarantine import Fault
from rtb.runtime.rate_limits import PERIOD_SECONDS, Limiter
from rtb.settlement.charging import Charging
from rtb.settlement.encrypted_prices import read_price_keys
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.frequency import FrequencyGate, caps_of
from rtb.targeting.users import UserKeys

_FLUSH_SECONDS = 0.5
_GC_THRESHOLDS = (50_000, 20, 20)
"""A batch makes tens of thousands of objects that go without the collector's help; with Python's 700 it looks at all of
them dozens of times."""
_LOOK_SECONDS = 2.0
_STOP_SECONDS = 2.0


class Stages(Protocol):
    """The two stages the Router awaits, wherever they run."""

    in_flight: int
    """Batches that can usefully be on their way at once."""

    async def score(self, rows: Rows) -> Scores:
        """Probabilities, shape `(n, 2)`, for feature rows, shape `(n, fields)`, and by which model."""
        ...

    async def decide(self, auction: Auction) -> Decisions:
        """The internal auction of a batch."""
        ...

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Say which artefacts to serve."""
        ...

    async def check_health(self) -> None:
        """Start and check what runs here."""
        ...

    async def artefacts(self) -> dict[str, dict[str, Any]]:
        """What is known of the models in use: see `wiring.describe`."""
        ...


class Router:
    """One replica of the ingress.

    Args:
        stages: makes the stages, local or remote, from `parts`: see `app.py`.
        controller: handle of the Controller.
        parts: handles that remote stages need.
    """

    def __init__(self, stages: Callable[..., Stages], controller: Any, **parts: Any) -> None:
        listen_on_node_address()
        self.settings = settings = guarded_settings()
        self.controller = controller
        self.stages = stages(**parts)
        self.client = client = ledger_client(settings)
        self.ledger = ValkeyLedger(client)
        self.durability = DurabilityWatch(client, required=settings.require_durable)
        self.catalog = Catalog(settings.catalog_url)
        self.keys = KeyRing(self.catalog.keys, standing_keys(settings))
        self.keys.refresh()
        if not settings.admin_key:
            logger.info(f"the first administrator's key is in {settings.secret_path('admin_key')}")
        self.events = EventSink(client, settings.event_backlog)
        self._dropped = 0
        self.stops = Stops()
        self._quarantine = QuarantineFeed(client)
        self.tally = Tally(client)
        self.guard = AccessGuard(settings, self.tally.add, logger.warning)
        self.timings = Timings(self.tally)
        self._caches = CacheWatch(self.tally)
        self.decisions = DecisionSender(settings, controller, self.tally)
        self.signer = Signer(*settings.notice_secrets())
        self.users = UserKeys(settings.resolve_secret("user_secret"))
        self.edge = Edge(
            signer=self.signer,
            users=self.users,
            base_url=settings.notice_url,
            currency=settings.currency,
            max_imps=settings.max_imps,
            max_candidates=settings.max_candidates,
            times=settings.notice_times,
            charge_on=settings.charge_on,
        )
        self.frequency = FrequencyGate(client, timeout=settings.frequency_timeout_seconds)
        self.rates = RatesFile(settings.rates)
        price_keys = read_price_keys(settings.price_keys)
        self.exchanges = exchanges.load(settings.exchanges_dir, price_keys.keys())
        for fault in self.exchanges.faults:
            logger.error(f"exchange profile {fault.name} is left out, all others bid: {fault.reason}")
        self.desk = NoticeDesk(
            self.signer,
            self.ledger,
            self.edge,
            self.frequency,
            charging=Charging(self.exchanges, price_keys, max(settings.notice_times)),
            exchanges=self.exchanges,
            durability=self.durability,
        )
        self.paced_at: float | None = None
        self._pacing_faults: list[Fault] = []
        self.pacing: snapshot.PacingTable = np.zeros(0, snapshot.PACING_DTYPE)
        self.experiment = ExperimentFeed(client)
        self._catalog_feed = snapshot.Subscriber(client, snapshot.CATALOG)
        self._catalog_reader = snapshot.CatalogReader()
        self._pacing_feed = snapshot.Subscriber(client, snapshot.PACING)
        self.limiter = Limiter(client)
        self._batcher = MicroBatcher(self._timed, settings.max_batch, self.stages.in_flight)
        self.admission = Admission(
            max_batch=settings.max_batch, in_flight=self.stages.in_flight, max_queue=settings.max_queue
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._front = FastPath(self, self.desk, Rest(self))

    def __serve_build_asgi_app__(self) -> Any:
        """The application Serve calls for each request that does not come to it before."""
        return self._front

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What Serve asks before it scales."""
        return {HELD: float(self._front.held)}

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Say which artefacts to serve to stages that live in this replica."""
        await self.stages.reconfigure(config)

    def start(self) -> None:
        """Start the background work; called from the replica's event loop, more than once does no harm."""
        if not self._tasks:
            gc.freeze()  # modules and models stay: the collector need not look at them again
            gc.set_threshold(*_GC_THRESHOLDS)
            serve_early(self._front)
            away = (LedgerError, RedisError, OSError)
            work = (
                repeat("router snapshots", self.settings.pull_seconds, self.pull, away),
                repeat("bid events", _FLUSH_SECONDS, self._flush_events, away),
                repeat("decisions", _FLUSH_SECONDS, self.decisions.send, Exception),
                repeat("stopped campaigns", _FLUSH_SECONDS, self._exchange_stops, Exception),
                repeat("keys", self.settings.key_seconds, self.pull_keys, (CatalogError, OSError)),
                repeat("rate limits", PERIOD_SECONDS, self.limiter.sync, away),
                repeat("counters", _FLUSH_SECONDS, self._flush_counters, away),
                repeat("ledger durability", _LOOK_SECONDS, self.durability.look, away),
            )
            self._tasks = [asyncio.ensure_future(task) for task in work]

    async def check_health(self) -> None:
        """Serve's health check. The first comes before the first request: then the campaigns are known."""
        await self._catch_up()
        self.start()
        await self.stages.check_health()

    def sheds(self, seconds: float, coming: int = 1) -> Shed | None:
        """Why requests that must be answered in this time should not be begun, `None` when they should."""
        return self.admission.refuses(seconds, self._batcher.waiting, self._batcher.is_busy, coming)

    async def bid(self, request: Prepared, deadline: float = math.inf, since: float | None = None) -> Answer:
        """The answer to a prepared request, by way of the next micro-batch.

        Args:
            request: to answer.
            deadline: monotonic second after which nobody wants the answer.
            since: when work on it began here, for the record of how long requests take.

        Raises:
            TimeoutError: its deadline came before its answer.
        """
        began = time.monotonic()
        answer, ended = await self._batcher.submit(request, deadline)
        self.admission.rest_took(began - (began if since is None else since) + time.monotonic() - ended)
        return answer

    async def bid_all(self, requests: Sequence[Prepared], deadline: float) -> list[Answer]:
        """The answers to prepared requests that go through the stages together, in one batch.

        Args:
            requests: to answer; at least one.
            deadline: monotonic second after which nobody wants the answers.

        Raises:
            TimeoutError: their turn did not come before the deadline.
        """
        answered = await self._batcher.submit_all(requests, deadline)
        self.admission.rest_took(time.monotonic() - answered[-1][1])
        return [answer for answer, _ in answered]

    async def _timed(self, requests: Sequence[Prepared]) -> list[tuple[Answer, float]]:
        """The answers, and when they were there: what comes after is the event loop's way to those who wait."""
        began = time.monotonic()
        answers = await self._answer(requests)
        ended = time.monotonic()
        self.admission.batch_took(ended - began)
        return [(answer, ended) for answer in answers]

    async def _answer(self, requests: Sequence[Prepared]) -> list[Answer]:
        note, since = self.timings.note, time.monotonic()
        batch = await self._capped(self.edge.assemble(requests))
        assembled = time.monotonic()
        scores = await self.stages.score(batch.rows)
        scored = time.monotonic()
        decisions = await self.stages.decide(batch.auction(scores.probability))
        decided = time.monotonic()
        answers, events = self.edge.render(batch, scores.probability, decisions)
        self.decisions.note(batch, scores, decisions)
        for event in events:
            self.events.put(event)
        note("stage", "assemble", assembled - since)
        note("stage", "score", scored - assembled)
        note("stage", "decide", decided - scored)
        note("stage", "render", time.monotonic() - decided)
        note("batch", "", len(requests))
        return answers

    async def _capped(self, batch: Batch) -> Batch:
        """A batch without the candidates that are stopped, or whose users have seen enough of them."""
        verdict = await self.frequency.check(batch.campaign, batch.terms.user[batch.candidates.imp])
        stopped = self.stops.mask(batch.campaign)
        if verdict.barred.any():
            self.tally.add(f"candidates.{verdict.reason.name.lower()}", int(verdict.barred.sum()))
        elif not stopped.any():
            return batch
        return batch.without(verdict.barred | stopped, NoBid.NO_CANDIDATE if stopped.any() else verdict.reason)

    async def stop(self, stop: Stop) -> None:
        """Let a campaign, or everyone, bid no more, or again: here at once, and wherever the Controller is heard."""
        self.stops.hear([msgspec.structs.replace(stop, at=self.stops.moment(stop.number, stop.at))])
        try:
            await asyncio.wait_for(self._exchange_stops(), _STOP_SECONDS)
        except Exception as error:  # whatever a handle raises: it is told again and again
            logger.warning(f"the others hear later who is stopped: {type(error).__name__}: {error}")

    @property
    def left_out(self) -> list[Fault]:
        """Records that cannot be used, as the Controller says, and those of its snapshot that this code cannot read."""
        own = (*self._catalog_reader.faults, *self.exchanges.faults, *self.rates.faults, *self._pacing_faults)
        return sorted({*self._quarantine.faults, *own})

    async def _exchange_stops(self) -> None:
        self.stops.hear(await self.controller.stops.remote(self.stops.all()))

    async def _flush_counters(self) -> None:
        self._caches.look()
        await self.tally.flush()

    async def _flush_events(self) -> None:
        """Append bid events, and count those that found no room: since the last call, by queue or by stream."""
        try:
            await self.events.flush()
        finally:
            if self.events.dropped > self._dropped:
                self.tally.add("bid_events_dropped", self.events.dropped - self._dropped)
                self._dropped = self.events.dropped

    async def pull_keys(self) -> None:
        """Take up keys created or revoked."""
        await asyncio.to_thread(self.keys.refresh)

    async def _catch_up(self) -> None:
        """Know catalog and pacing before the first request; not for ever where the ledger is away."""
        if self._tasks:
            return
        try:
            await self.pull()
        except (LedgerError, RedisError, OSError) as error:
            logger.warning(f"the campaigns are not known yet: {error}")

    async def pull(self) -> None:
        """Take up new rates, a new experiment, a new catalog or a new pacing snapshot."""
        if self.rates.refresh():
            self.edge.rerate(self.rates.rates)
        if await self.experiment.pull():
            experiment = self.experiment.experiment
            self.edge.divide(None if experiment is None else experiment.split)
        await self._quarantine.pull()
        catalog = await self._catalog_feed.pull()
        if catalog is not None:
            # In a thread: of ten thousand campaigns it takes a second, and requests must not wait for it.
            with gc_control.undisturbed():
                listings = await asyncio.to_thread(self._catalog_reader.read, catalog)
                view = await asyncio.to_thread(self.edge.view, listings, self._catalog_feed.version)
                caps = await asyncio.to_thread(caps_of, listings)
                gc_control.settle(self._catalog_reader.fresh)
            self.edge.show(view)
            self.frequency.recap(caps)
            self._pacing_feed.forget()  # the mask of open campaigns belongs to a catalog: fetch it again
        pacing = await self._pacing_feed.pull()
        if pacing is not None:
            self.paced_at = time.monotonic()
            try:
                self.pacing = table = snapshot.decode_pacing(pacing)
            except ValueError as error:  # a Controller of another version: what was known before holds
                self._pacing_faults = [Fault.of("pacing", "the pacing table's snapshot", error)]
                return
            self._pacing_faults = []
            # A bid whose notices would be refused is not to be made.
            campaigns = campaign_of(table["number"][table["open"]])  # one is open when it or its arm is
            version = self._pacing_feed.version
            self.edge.restrict([] if self.durability.refusal else campaigns.tolist(), version)


RouterDeployment = serve.deployment(serve.ingress()(Router), name="Router")
