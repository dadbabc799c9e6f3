"""The parts of the Controller."""

from __future__ import annotations

from dataclasses import dataclass

from redis.exceptions import RedisError

from deployments.background import Background, Work
from deployments.catalog_publisher import CatalogPublisher
from deployments.challenge import ExperimentFeed
from deployments.event_keeper import EventKeeper
from deployments.explain import DecisionKeeper
from deployments.hosts import check_hosts
from deployments.ledger_guard import LedgerGuard
from deployments.ledger_server import LedgerServer
from deployments.models import ModelPublisher
from deployments.pacing_loop import PacingLoop
from deployments.portfolios import Portfolios
from deployments.quarantine import QuarantineKeeper
from deployments.stopping import StopKeeper
from deployments.tally import Tally
from deployments.wiring import ledger_client
from rtb.catalog import Catalog, CatalogError
from rtb.events import StreamError
from rtb.ledger import DurabilityWatch, LedgerError, ValkeyLedger
from rtb.models.registry import KINDS, Registry
from rtb.pacing import snapshot
from rtb.runtime.settings import Settings

_LOOK_AT_SERVER_SECONDS = 1.0
_LOOK_AT_DURABILITY_SECONDS = 10.0
_LOOK_AT_MODELS_SECONDS = 0.5
_LOOK_AT_STORE_SECONDS = 5.0
"""The same where each look is a call to a store, perhaps a paid one."""
_PRUNE_SECONDS = 30.0
_ARCHIVE_SECONDS = 10.0
_REST = 4.0
"""A tick takes a fifth of the time at most: thousands of campaigns are paced less often, and bid for as quickly."""

_UNAVAILABLE = (LedgerError, RedisError, CatalogError, OSError)


@dataclass(frozen=True)
class ControllerParts:
    """The parts of one Controller."""

    catalog: Catalog
    server: LedgerServer
    events: EventKeeper
    decisions: DecisionKeeper
    stops: StopKeeper
    pacing: PacingLoop
    background: Background


def controller_parts() -> ControllerParts:
    """Build the parts of a Controller, and start the embedded ledger server where nobody else did.

    Raises:
        HostsDiffer: the cluster has several hosts, and this one is not as they must be.
    """
    settings = Settings()
    check_hosts(settings)
    client = ledger_client(settings, vetted=False)
    ledger, catalog, publisher = ValkeyLedger(client), Catalog(settings.catalog_url), snapshot.SnapshotPublisher(client)
    decisions, quarantine = DecisionKeeper(client, settings), QuarantineKeeper(publisher)

    async def publish(kind: str, key: str, body: bytes) -> None:
        version = publisher.new_version()
        await decisions.keep_snapshot(kind, version, body)  # before anybody can bid by it
        await publisher.publish(key, body, version)

    server = LedgerServer(settings, DurabilityWatch(client))
    events = EventKeeper(settings, catalog, Tally(client))
    stops = StopKeeper(client, catalog)
    campaigns = CatalogPublisher(catalog, ledger, publish, quarantine)
    models = ModelPublisher(client, [Registry.of(settings, kind) for kind in KINDS], decisions.keep_snapshot)
    guard, portfolios = LedgerGuard(client, ledger, catalog), Portfolios(catalog, ledger)
    pacing = PacingLoop(
        ledger, guard, campaigns, ExperimentFeed(client), portfolios, events, publish, quarantine, models
    )

    async def keep_stops() -> None:
        if campaigns.active is not None:
            await stops.keep(campaigns.active)

    background = Background(
        Work("controller tick", settings.tick_seconds, pacing.tick, _UNAVAILABLE, _REST),
        Work("ledger server", _LOOK_AT_SERVER_SECONDS, server.watch, _UNAVAILABLE),
        Work("event writer", settings.event_seconds, events.write, (*_UNAVAILABLE, StreamError)),
        Work("event files", settings.event_seconds, events.merge, _UNAVAILABLE),
        Work("ledger durability", _LOOK_AT_DURABILITY_SECONDS, server.look_at_durability, _UNAVAILABLE),
        Work(
            "published models",
            _LOOK_AT_STORE_SECONDS if settings.store else _LOOK_AT_MODELS_SECONDS,
            models.publish_champions,
            _UNAVAILABLE,
        ),
        Work("decisions", _PRUNE_SECONDS, decisions.prune, _UNAVAILABLE),
        Work("archive of decisions", _ARCHIVE_SECONDS, decisions.archive, _UNAVAILABLE),
        Work("stopped campaigns", settings.tick_seconds, keep_stops, _UNAVAILABLE),
    )
    server.keep_up()
    return ControllerParts(catalog, server, events, decisions, stops, pacing, background)
