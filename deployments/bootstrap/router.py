"""The parts of a Router."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import redis.asyncio as aioredis
from fastapi import APIRouter
from redis.exceptions import RedisError

from deployments.api import (
    Rest,
    admin,
    bids,
    campaigns,
    experiment,
    explanations,
    health,
    models,
    portfolios,
    reports,
    slots,
    users,
)
from deployments.auction_runner import AuctionRunner, Stages
from deployments.background import Background, Work
from deployments.bid_endpoint import BidEndpoint
from deployments.bid_events import BidEventSender
from deployments.challenge import ExperimentFeed
from deployments.fast_path import FastPath
from deployments.guard import AccessGuard
from deployments.hosts import check_hosts
from deployments.metrics import ReportParts, Timings
from deployments.metrics.caches import CacheWatch
from deployments.notice_endpoint import NoticeEndpoint
from deployments.notice_handler import NoticeHandler
from deployments.recording import DecisionSender
from deployments.scaling import HeldRequests
from deployments.snapshot_feed import SnapshotFeed
from deployments.stopping import StopSwitch
from deployments.sync_endpoint import SyncEndpoint
from deployments.tally import Tally
from deployments.wiring import LimitedLog, guarded_settings, ledger_client, logger
from rtb import exchanges
from rtb.auction.admission import Admission
from rtb.auction.edge import Edge
from rtb.campaigns.stops import Stops
from rtb.catalog import Catalog, CatalogError, KeyRing, configured_keys
from rtb.events import EventSink
from rtb.exchanges import Exchanges
from rtb.inventory import user_agent
from rtb.inventory.crawlers import CrawlerList
from rtb.inventory.traffic import TrafficFilter
from rtb.inventory.user_data import eid_sources, policy_of
from rtb.ledger import DurabilityWatch, LedgerError, ValkeyLedger
from rtb.money.currency import RatesFeed
from rtb.runtime.rate_limits import PERIOD_SECONDS, Limiter
from rtb.runtime.settings import Settings
from rtb.sellers import SellerFeed
from rtb.settlement.charging import Charging
from rtb.settlement.encrypted_prices import read_price_keys
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.frequency import FrequencyGate
from rtb.targeting.users import UserKeys
from rtb.user_sync import SyncIds, UserSyncs

_FLUSH_SECONDS = 0.5
_LOOK_SECONDS = 2.0
_SELLERS_SECONDS = 60.0
_RATES_SECONDS = 60.0
_UNAVAILABLE = (LedgerError, RedisError, OSError)


@dataclass(frozen=True)
class Stores:
    """Settings and storage, which every part uses."""

    settings: Settings
    client: aioredis.Redis
    ledger: ValkeyLedger
    durability: DurabilityWatch
    catalog: Catalog
    tally: Tally


@dataclass(frozen=True)
class Access:
    """Authentication and rate limits."""

    keys: KeyRing
    guard: AccessGuard
    limiter: Limiter


@dataclass(frozen=True)
class Trading:
    """What bids are made and settled with, in memory."""

    exchanges: Exchanges
    signer: Signer
    users: UserKeys
    edge: Edge
    frequency: FrequencyGate
    notices: NoticeHandler
    stops: Stops
    events: EventSink


@dataclass(frozen=True)
class Replica:
    """The work of a replica."""

    stages: Stages
    runner: AuctionRunner
    snapshots: SnapshotFeed
    experiment: ExperimentFeed
    decisions: DecisionSender
    switch: StopSwitch
    timings: Timings


@dataclass(frozen=True)
class RouterParts:
    """The parts of one Router."""

    stores: Stores
    access: Access
    trading: Trading
    replica: Replica
    front: FastPath
    background: Background


def router_parts(stages: Stages, controller: Any) -> RouterParts:
    """Build the parts of a Router; nothing is started.

    Raises:
        OpenPlatform: others may reach it without keys.
        HostsDiffer: the cluster has several hosts, and this one is not as they must be.
    """
    settings = guarded_settings()
    check_hosts(settings)
    stores = _stores(settings)
    access = _access(stores)
    trading = _trading(stores)
    replica = _replica(stores, trading, stages, controller)
    front = _front(stores, access, trading, replica)
    return RouterParts(stores, access, trading, replica, front, _background(stores, access, trading, replica))


def api_routers(stores: Stores, access: Access, trading: Trading, replica: Replica) -> list[APIRouter]:
    """Build the routes of the API, one router a subject."""
    settings, client, ledger = stores.settings, stores.client, stores.ledger
    catalog, durability, tally = stores.catalog, stores.durability, stores.tally
    edge, events, stops = trading.edge, trading.events, trading.stops
    snapshots, artefacts, readiness = replica.snapshots, replica.stages.artefacts, replica.stages.readiness
    offered = slots.SlotParts(settings, trading.exchanges, edge, replica.runner, tally)
    return [
        bids.routes(bids.BidParts(settings, offered, trading.signer, trading.exchanges, trading.notices, tally)),
        explanations.routes(replica.decisions),
        campaigns.routes(
            campaigns.CampaignParts(
                catalog,
                ledger,
                stops,
                replica.switch,
                edge.number_of,
                lambda currency: edge.rates.rate(settings.currency, currency),
            )
        ),
        portfolios.routes(catalog, ledger),
        reports.routes(settings, ReportParts(client, ledger, durability, catalog, tally, events, snapshots, artefacts)),
        models.routes(client, settings),
        experiment.routes(replica.experiment),
        health.routes(
            health.HealthParts(
                settings, client, durability, tally, catalog, events, edge, stops, snapshots, artefacts, readiness
            )
        ),
        users.routes(catalog, trading.users, trading.frequency, eid_sources(settings.user_sources)),
        admin.routes(admin.AdminParts(settings, catalog, access.keys, trading.exchanges, replica.switch, artefacts)),
    ]


def _stores(settings: Settings) -> Stores:
    client = ledger_client(settings)
    durability = DurabilityWatch(client, required=settings.require_durable)
    return Stores(settings, client, ValkeyLedger(client), durability, Catalog(settings.catalog_url), Tally(client))


def _access(stores: Stores) -> Access:
    settings = stores.settings
    keys = KeyRing(stores.catalog.keys, configured_keys(settings))
    keys.refresh()
    if not settings.admin_key:
        logger.info(f"the first administrator's key is in {settings.secret_path('admin_key')}")
    return Access(keys, AccessGuard(settings, stores.tally.add, logger.warning), Limiter(stores.client))


def _trading(stores: Stores) -> Trading:
    settings = stores.settings
    signer = Signer(*settings.notice_secrets())
    users = UserKeys(settings.resolve_secret("user_secret"))
    edge = Edge(
        signer=signer,
        users=users,
        base_url=settings.notice_url,
        currency=settings.currency,
        max_imps=settings.max_imps,
        max_candidates=settings.max_candidates,
        times=settings.notice_times,
        traffic=_traffic(settings),
        charge_on=settings.charge_on,
        policy=policy_of(settings.gvl_id, settings.user_sources, settings.segment_providers),
    )
    user_agent.load()
    frequency = FrequencyGate(stores.client, timeout=settings.frequency_timeout_seconds)
    price_keys = read_price_keys(settings.price_keys)
    known = exchanges.load(settings.exchanges_dir, price_keys.keys())
    for fault in known.faults:
        logger.error(f"exchange profile {fault.name} is left out, all others bid: {fault.reason}")
    charging = Charging(known, price_keys, settings.notice_times.usual, lambda: edge.rates)
    notices = NoticeHandler(
        signer,
        stores.ledger,
        edge,
        frequency,
        charging=charging,
        exchanges=known,
        durability=stores.durability,
        count=stores.tally.add,
    )
    events = EventSink(stores.client, settings.event_backlog)
    return Trading(known, signer, users, edge, frequency, notices, Stops(), events)


def _traffic(settings: Settings) -> TrafficFilter:
    """Return the filter of traffic; the addresses of data centres are read beside the start, for a second."""
    traffic = TrafficFilter(CrawlerList() if settings.filter_crawlers else None)
    if settings.filter_data_centers:
        traffic.load_data_centers()
    return traffic


def _replica(stores: Stores, trading: Trading, stages: Stages, controller: Any) -> Replica:
    settings, client, tally = stores.settings, stores.client, stores.tally
    edge, frequency, stops = trading.edge, trading.frequency, trading.stops
    decisions, timings = DecisionSender(settings, controller, tally), Timings(tally)
    admission = Admission(max_batch=settings.max_batch, in_flight=stages.in_flight, max_queue=settings.max_queue)
    runner = AuctionRunner(
        stages, admission, settings.max_batch, edge, frequency, stops, decisions, trading.events, timings, tally
    )
    feed, left_out = ExperimentFeed(client), trading.exchanges.faults
    rates = RatesFeed(settings.rates, settings.cache_dir / "rates", most_days=settings.rates_days)
    sellers = SellerFeed(settings.sellers, settings.cache_dir / "sellers")
    snapshots = SnapshotFeed(client, edge, frequency, stores.durability, rates, feed, sellers, left_out)
    return Replica(stages, runner, snapshots, feed, decisions, StopSwitch(stops, controller), timings)


def _front(stores: Stores, access: Access, trading: Trading, replica: Replica) -> FastPath:
    settings, tally = stores.settings, stores.tally
    keys, guard, limiter = access.keys, access.guard, access.limiter
    held, log = HeldRequests(), LimitedLog()
    bid_endpoint = BidEndpoint(
        settings, trading.exchanges, keys, guard, limiter, trading.edge, replica.runner, tally, held, log
    )
    notice_endpoint = NoticeEndpoint(trading.notices, guard, tally, held, log)
    rest = Rest(api_routers(stores, access, trading, replica), keys, guard, limiter, settings.calls_per_minute)
    syncs = UserSyncs(SyncIds(settings.resolve_secret("user_secret")), settings.gvl_id)
    sync_endpoint = SyncEndpoint(syncs, trading.exchanges, guard, tally, settings.max_header_bytes)
    return FastPath(bid_endpoint, notice_endpoint, sync_endpoint, rest, guard, held, replica.timings)


def _background(stores: Stores, access: Access, trading: Trading, replica: Replica) -> Background:
    settings, tally = stores.settings, stores.tally
    events, caches = BidEventSender(trading.events, tally), CacheWatch(tally)

    async def flush_counters() -> None:
        caches.look()
        await tally.flush()

    async def refresh_keys() -> None:
        await asyncio.to_thread(access.keys.refresh)

    return Background(
        Work("router snapshots", settings.pull_seconds, replica.snapshots.pull, _UNAVAILABLE),
        Work("bid events", _FLUSH_SECONDS, events.flush, _UNAVAILABLE),
        Work("decisions", _FLUSH_SECONDS, replica.decisions.send, Exception),
        Work("stopped campaigns", _FLUSH_SECONDS, replica.switch.exchange, Exception),
        Work("keys", settings.key_seconds, refresh_keys, (CatalogError, OSError)),
        Work("rate limits", PERIOD_SECONDS, access.limiter.sync, _UNAVAILABLE),
        Work("sellers", _SELLERS_SECONDS, replica.snapshots.pull_sellers, OSError),
        Work("rates", _RATES_SECONDS, replica.snapshots.pull_rates, OSError),
        Work("counters", _FLUSH_SECONDS, flush_counters, _UNAVAILABLE),
        Work("ledger durability", _LOOK_SECONDS, stores.durability.look, _UNAVAILABLE),
    )
