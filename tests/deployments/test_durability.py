"""What the platform says, and refuses where it is told to, of a ledger that may forget what it acknowledged."""

from __future__ import annotations

import time
from logging.handlers import BufferingHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from deployments.challenge import ExperimentFeed
from deployments.controller import Controller
from deployments.notice_handler import NoticeHandler
from deployments.snapshot_feed import SnapshotFeed
from deployments.wiring import logger
from rtb.auction.edge import Edge
from rtb.catalog import Spend
from rtb.exchanges import Exchanges
from rtb.ledger import DurabilityWatch, Grant, MemoryLedger
from rtb.money.currency import RatesFeed
from rtb.pacing import snapshot
from rtb.sellers import SellerFeed
from rtb.settlement.charging import Charging
from rtb.settlement.notice_tokens import BidRef, Kind, Signer
from rtb.targeting.frequency import FrequencyGate
from rtb.targeting.users import UserKeys
from tests.conftest import Valkey
from tests.deployments.in_process import running as platform
from tests.rtb.builders import make_campaign
from tests.rtb.ledger.servers import running
from tests.support import until

FORGETFUL = "none: appendonly is no: set `appendonly yes` and `appendfsync always`"


def health(server: Valkey, folder: Path, *, required: bool) -> httpx.Response:
    """Asked once the Controller has told the Router and its stages of the campaigns."""
    with platform(server, folder, require_durable=required) as running, running.client() as browser:

        def knows_all() -> bool:
            parts = browser.get("/health").json()["parts"]
            return parts["snapshots"]["state"] != "none" and "pacing" not in parts["RLBidder"]["lacks"]

        until(knows_all)
        return browser.get("/health")


def test_health_tells_the_durability(valkey: Valkey, tmp_path: Path) -> None:
    answer = health(valkey, tmp_path, required=True)
    assert answer.status_code == 200
    assert (answer.json()["ledger"], answer.json()["durability"]) == ("ok", "each write")


@pytest.mark.parametrize(("required", "status", "ledger"), [(False, 200, "ok"), (True, 503, "not_durable")])
def test_health_of_a_forgetful_server_is_bad_only_where_durability_is_required(
    tmp_path: Path, required: bool, status: int, ledger: str
) -> None:
    with running("redis") as server:
        answer = health(server, tmp_path, required=required)
    assert answer.status_code == status
    assert (answer.json()["ledger"], answer.json()["durability"]) == (ledger, FORGETFUL)


def test_a_server_that_evicts_is_no_ledger_though_durability_is_not_required(tmp_path: Path) -> None:
    with running("valkey", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as server:
        answer = health(server, tmp_path, required=False)
    assert (answer.status_code, answer.json()["ledger"]) == (503, "not_durable")
    assert "set `maxmemory-policy noeviction`" in answer.json()["durability"]


def test_health_names_the_campaigns_whose_figures_are_lost_and_the_others_bid(valkey: Valkey, tmp_path: Path) -> None:
    with platform(valkey, tmp_path) as running:
        running.register(make_campaign("spring"), make_campaign("summer"))
        catalog = running.router.parts.stores.catalog
        spring = {entry.campaign.id: entry.number for entry in catalog.all()}["spring"]
        catalog.record_spend([Spend(spring, 3_600, 1, 10**9, 0, 0, 0)], "1-1")
        with running.client() as browser:
            until(lambda: browser.get("/health").json()["ledger"] == "behind")
            answer = browser.get("/health")
            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
            assert answer.json()["parts"]["ledger"] == {"state": "behind", "campaigns": 1, "first": ["spring"]}
            assert browser.get("/health/ready").status_code == 200
            assert "raybid_campaigns_behind 1.0" in browser.get("/metrics").text
            assert browser.get("/campaign/spring").json()["figures"]["bids"] >= 0
            slot = {"w": 300, "h": 250}
            until(lambda: {browser.post("/bid", json=slot).json().get("campaign") for _ in range(3)} == {"summer"})


def test_health_of_a_server_that_is_away(free_port: int, tmp_path: Path) -> None:
    with platform(Valkey(free_port), tmp_path) as running, running.client() as browser:
        answer = browser.get("/health")
    assert (answer.status_code, answer.json()["durability"]) == (503, "unknown: the server does not answer")
    assert answer.json()["ledger"] == "unavailable"


@pytest.mark.parametrize("required", [False, True])
async def test_the_desk_acknowledges_nothing_that_may_be_forgotten_where_that_is_required(
    tmp_path: Path, required: bool
) -> None:
    with running("redis") as server:
        signer, ledger = Signer("a secret of the tests"), MemoryLedger()
        none = Exchanges([])
        users, url = UserKeys("a secret of the tests"), "http://bidder.example"
        edge = Edge(signer=signer, users=users, base_url=url, currency="USD", max_imps=8, max_candidates=8)
        await ledger.open(1, 10_000)
        await ledger.lease([Grant(7, 1, 5_000, 0.0, time.time() + 1_000)])
        ref = BidRef(7, 1, 1, 0, 2_000, int(time.time() + 100))
        async with server.client() as client:
            watch = DurabilityWatch(client, required=required)
            desk = NoticeHandler(
                signer, ledger, edge, charging=Charging(none, {}, 60.0), exchanges=none, durability=watch
            )
            await watch.look()
            for kind in Kind:
                reply = await desk.handle(f"/notice/{kind}/{signer.sign(ref, kind)}", b"price=1")
                assert (reply.status, reply.outcome) == (503, "not_durable") if required else reply.status != 503
            assert (await desk.handle("/notice/bill/forged", b"")).status == 403
        assert (await ledger.balances([1]))[0].spent == (0 if required else 1_000)


@pytest.mark.parametrize("required", [False, True])
async def test_nothing_is_bid_whose_notices_would_be_refused(required: bool) -> None:
    table = np.zeros(2, snapshot.PACING_DTYPE)
    table["number"], table["open"] = (1, 2), True
    open_to: list[list[int]] = []
    with running("redis") as server:
        async with server.client() as client:
            durability = DurabilityWatch(client, required=required)
            edge: Any = SimpleNamespace(set_open=lambda campaigns, version: open_to.append(campaigns))
            frequency, rates = FrequencyGate(client, timeout=10), RatesFeed("", Path())
            feed = SnapshotFeed(
                client, edge, frequency, durability, rates, ExperimentFeed(client), SellerFeed(None, Path()), []
            )
            for _ in range(2):
                await durability.look()
                await snapshot.SnapshotPublisher(client).publish(snapshot.PACING, snapshot.encode_pacing(table))
                await feed.pull()
                await client.config_set("appendonly", "yes")
                await client.config_set("appendfsync", "always")
    assert open_to == [[] if required else [1, 2], [1, 2]]


class Local(Controller):
    """Without Serve, nobody awaits this."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


async def test_the_controller_says_what_may_be_lost_and_when_that_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = BufferingHandler(capacity=100)
    with running("redis") as server:
        monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
        monkeypatch.setenv("RAYBID_REDIS_URL", f"redis://127.0.0.1:{server.port}/0")
        logger.addHandler(said)
        controller = Local()
        async with server.client() as client:
            for policy in ("noeviction", "allkeys-lru"):
                await client.config_set("maxmemory", "100mb")
                await client.config_set("maxmemory-policy", policy)
                for _ in range(2):
                    await controller.parts.server.look_at_durability()
        logger.removeHandler(said)
    first, second = said.buffer
    assert (first.levelname, first.getMessage()) == ("WARNING", f"ledger durability: {FORGETFUL}")
    assert "may delete campaigns' money" in second.getMessage()
