"""The Controller: one small replica that looks at the money once a pacing interval and tells the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from ray import serve
from redis.exceptions import RedisError

from deployments.challenge import ExperimentFeed
from deployments.decisions import DecisionKeeper, Told
from deployments.ledger_guard import LedgerGuard
from deployments.listening import listen_on_node_address
from deployments.models import Announcer
from deployments.portfolios import Portfolios
from deployments.quarantine import QuarantineKeeper
from deployments.stopping import StopKeeper
from deployments.tally import Tally
from deployments.wiring import event_writer, ledger_client, logger, repeat
from portfolio.steering import steered
from rtb.campaigns.stops import Stop
from rtb.catalog import Catalog, CatalogError, Entry
from rtb.events import StreamError, parquet
from rtb.experiment.arms import Arms, Divided
from rtb.explain.records import Parcel
from rtb.ledger import Balance, DurabilityWatch, LedgerError, Terms, ValkeyLedger, embedded
from rtb.models.ctr_monitor import Reckoning
from rtb.models.winrate.learner import MarketLearner
from rtb.money.accounts import campaign_of
from rtb.pacing import snapshot
from rtb.pacing.pacemaker import Pacemaker
from rtb.pacing.terms import lost, over_budget, terms_of
from rtb.pacing.vetting import Vetter
from rtb.runtime.settings import Settings
from rtb.targeting.listing import Listing

_LOOK_AT_SERVER_SECONDS = 1.0
_LOOK_AT_DURABILITY_SECONDS = 10.0
_RECALL_SECONDS = 120.0
_LOOK_AT_MODELS_SECONDS = 0.5
_PRUNE_SECONDS = 30.0
_REST = 4.0
"""A tick takes a fifth of the time at most: thousands of campaigns are paced less often, and bid for as quickly."""


class Controller:
    """Keeps the server up, reclaims leases, divides and moves money, publishes what replicas bid by, writes events."""

    def __init__(self) -> None:
        listen_on_node_address()
        self._settings = settings = Settings()
        self._server: embedded.EmbeddedServer | None = None
        client = ledger_client(settings, vetted=False)
        self._ledger = ValkeyLedger(client)
        self._durability = DurabilityWatch(client)
        self._publisher = snapshot.Publisher(client)
        self._decisions = DecisionKeeper(client, settings)
        self._announcer = Announcer(client, settings.published_dir, self._decisions.picture)
        self._catalog = Catalog(settings.catalog_url)
        self._guard = LedgerGuard(client, self._ledger, self._catalog)
        self._stops = StopKeeper(client, self._catalog)
        self._pacemaker = Pacemaker()
        self._experiment = ExperimentFeed(client)
        self._arms = Arms(self._ledger)
        self._portfolios = Portfolios(self._catalog, self._ledger)
        self._vetter = Vetter()
        self._quarantine = QuarantineKeeper(self._publisher)
        self._entries: list[Entry] = []
        self._terms: dict[int, Terms] = {}
        self._revision: int | None = None
        self._learner = MarketLearner(_patience(settings))
        self._reckoning = Reckoning()
        self._tally = Tally(client)
        self._has_recalled = False
        self._writer = event_writer(settings, self._catalog, self._observe)
        self._tasks: list[asyncio.Task[None]] = []
        self._keep_server_up()

    def start(self) -> None:
        """Start the background work; called from the replica's event loop, more than once does no harm."""
        if not self._tasks:
            away = (LedgerError, RedisError, CatalogError, OSError)
            tick = repeat("controller tick", self._settings.tick_seconds, self._tick, away, rest=_REST)
            watch = repeat("ledger server", _LOOK_AT_SERVER_SECONDS, self._watch_server, away)
            write = repeat("event writer", self._settings.event_seconds, self._write_events, (*away, StreamError))
            merge = repeat("event files", self._settings.event_seconds, self._merge_files, away)
            look = repeat("ledger durability", _LOOK_AT_DURABILITY_SECONDS, self._look_at_durability, away)
            announce = repeat("published models", _LOOK_AT_MODELS_SECONDS, self._announcer.look, away)
            prune = repeat("decisions", _PRUNE_SECONDS, self._decisions.prune, away)
            stop = repeat("stopped campaigns", self._settings.tick_seconds, self._keep_stops, away)
            works = (tick, watch, write, merge, look, announce, prune, stop)
            self._tasks = [asyncio.ensure_future(work) for work in works]

    async def check_health(self) -> None:
        """Serve's health check, which also starts the background work."""
        self.start()

    async def refresh(self) -> None:
        """Take up a change of the catalog now rather than at the next tick."""
        self.start()
        await self._tick()

    async def stops(self, told: list[Stop]) -> list[Stop]:
        """Hear who is to bid no more, and tell what others said of that."""
        return await self._stops.exchange(told)

    async def _keep_stops(self) -> None:
        if self._revision is None:
            return
        await self._stops.keep({entry.number for entry in self._entries if entry.campaign.status == "active"})

    async def keep(self, parcel: Parcel) -> None:
        """Keep what a Router decided, so that it can be explained."""
        await self._decisions.keep(parcel)

    async def explain(self, bid_id: str) -> Told:
        """Why a bid was what it was, and what became of it."""
        try:
            await self._write_events()  # so that its notices are found
        except (RedisError, CatalogError, StreamError, OSError) as error:
            logger.warning(f"the last notices of bid {bid_id} are not told: {error}")
        return await self._decisions.explain(bid_id)

    async def __del__(self) -> None:
        """Stop the server this replica started."""
        for task in self._tasks:
            task.cancel()
        try:
            await self._write_events()
        except (RedisError, CatalogError, StreamError, OSError) as error:
            logger.warning(f"events not written, the next start goes on with them: {error}")
        self._writer.close()
        self._decisions.close()
        if self._server is not None:
            self._server.stop()

    async def _tick(self) -> None:
        if await self._guard.look():  # what this server was told and published is not to be relied on
            self._revision, self._terms = None, {}
        await self._take_up_catalog()
        now = time.time()
        await self._ledger.reclaim(now)
        balances = await self._ledger.balances([entry.number for entry in self._entries])
        await self._guard.tell(lost(self._entries, balances, {}))
        await self._experiment.pull()
        divided = await self._arms.keep(self._entries, balances, self._experiment.experiment)
        cut = await self._lower_budgets(divided)
        factors = await self._portfolios.keep(divided.entries, divided.whole, now)
        table = steered(self._pacemaker.tick(*self._arms.to_pace(divided), now, self._learner.markets), factors)
        table["open"] &= ~np.isin(campaign_of(table["number"]), cut)
        await self._publish("pacing", snapshot.PACING, snapshot.encode_pacing(table))
        await self._guard.passed()
        self._quarantine.replace("portfolios", self._portfolios.faults)
        self._quarantine.replace("models", self._announcer.faults)
        self._quarantine.replace("events", self._writer.faults.values())
        await self._quarantine.publish()

    async def _take_up_catalog(self) -> None:
        revision = await asyncio.to_thread(self._catalog.revision)  # before the entries, so that no change is missed
        if revision == self._revision:
            return
        entries = await asyncio.to_thread(self._sound_entries)
        balances = await self._ledger.balances([entry.number for entry in entries])
        missing = {entry.number for entry in await self._lost(entries, balances)}
        terms = {entry.number: terms_of(entry) for entry in entries if entry.number not in missing}
        held = {entry.number: own.budget - own.moved for entry, own in zip(entries, balances, strict=True)}
        # What the ledger was told before and still has need not be told again: an edit is of few campaigns.
        news = {n: one for n, one in terms.items() if one != self._terms.get(n) or one.budget_micros != held[n]}
        await self._ledger.open_all(news)
        opened = [entry.number for entry in entries if not entry.opened and entry.number not in missing]
        await asyncio.to_thread(self._catalog.mark_opened, opened)  # before they are published, so before they bid
        active = [Listing(entry.number, entry.campaign) for entry in entries if entry.campaign.status == "active"]
        await self._publish("catalog", snapshot.CATALOG, snapshot.encode_catalog(active))
        self._terms = terms
        self._entries, self._revision = [entry._replace(opened=True) for entry in entries], revision
        logger.info(f"catalog revision {revision}: {len(active)} active campaigns of {len(entries)}")

    def _sound_entries(self) -> list[Entry]:
        """Return the campaigns that can be bid from; the others are said, and hold up nobody."""
        loaded = self._catalog.load()
        sound, faults = self._vetter.vet(loaded.entries, time.time())
        self._quarantine.replace("catalog", [*loaded.faults, *faults])
        return sound

    async def _publish(self, kind: str, key: str, body: bytes) -> None:
        """Publish a picture that is kept before anybody can bid by it."""
        version = self._publisher.new_version()
        await self._decisions.picture(kind, version, body)
        await self._publisher.publish(key, body, version)

    async def _lost(self, entries: Sequence[Entry], balances: Sequence[Balance]) -> list[Entry]:
        """Campaigns not to be opened, because the ledger forgot what they spent."""
        if all(balance.budget and not balance.behind for balance in balances):
            return []
        return lost(entries, balances, await asyncio.to_thread(self._catalog.spent))

    async def _lower_budgets(self, divided: Divided) -> list[int]:
        """Go on lowering budgets that were cut below what is promised: that comes back now and then, or is charged.

        Only lowering: a ledger that says less than is of record may have been lost, with all it knew of what was spent.

        Returns:
            Campaigns that have promised more than their budget: they do not bid, whatever money is leased.
        """
        cut = []
        for entry, own, whole in zip(divided.entries, divided.own, divided.whole, strict=True):
            if over_budget(entry, whole):
                cut.append(entry.number)
                if own.available > 0:
                    await self._ledger.open(entry.number, terms_of(entry))
        return cut

    async def _recall(self) -> None:
        """Learn the markets from the last events written: what a Controller before this one knew of them."""
        since = f"{max(0, int((time.time() - _RECALL_SECONDS) * 1_000))}-0"

        def read() -> None:
            for run in parquet.runs(self._settings.events_dir, since, lambda _: None):  # the writer says which
                self._learner.observe(run.table)

        try:
            await asyncio.to_thread(read)
        except OSError as error:
            logger.warning(f"markets are learned anew, the events written cannot be read: {error}")

    async def _write_events(self) -> None:
        if not self._has_recalled:
            self._has_recalled = True
            await self._recall()
        await asyncio.to_thread(self._writer.drain)
        reckoned = self._reckoning.take()
        self._tally.add("predicted_micros", round(reckoned.predicted * 1e6))
        self._tally.add("observed_clicks", reckoned.observed)
        await self._tally.flush()

    def _observe(self, events: pa.Table) -> None:
        """In the thread that writes them."""
        self._learner.observe(events)
        self._reckoning.observe(events)

    async def _merge_files(self) -> None:
        """One hour's at a time, so that many do not keep the machine busy; what is kept for long enough goes."""
        await asyncio.to_thread(self._writer.merge)
        if self._settings.event_days:
            await asyncio.to_thread(self._writer.forget, time.time() - self._settings.event_days * 86_400)

    async def _look_at_durability(self) -> None:
        """Say in the log how the ledger's server keeps what it acknowledges, when that changed."""
        before = self._durability.found
        await self._durability.look()
        found = self._durability.found
        if found != before:
            say = logger.info if found.is_safe else logger.warning
            say(f"ledger durability: {found}")

    async def _watch_server(self) -> None:
        await asyncio.to_thread(self._keep_server_up)

    def _keep_server_up(self) -> None:
        """Start the embedded server when nobody else did, and again when it died."""
        if self._server is not None and not self._server.is_running:
            logger.warning("the embedded ledger server is gone: starting it again from its append-only file")
            self._server = None
        if self._server is None:
            self._server = embedded.start_if_needed(self._settings, stays=True)
            if self._server is not None:
                logger.info(f"embedded ledger server on port {self._settings.ledger_port}")


def _patience(settings: Settings) -> float:
    """Seconds after which no notice of a bid is to come; those of interstitials, which may take far longer, apart."""
    times = settings.notice_times
    return max(times.web, times.app, times.native)


ControllerDeployment = serve.deployment(Controller, name="Controller")
