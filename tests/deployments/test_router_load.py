"""A whole Router replica without Serve: it sheds what it would answer late, and bids again when it is quick."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from deployments.bootstrap.router import router_parts
from rtb.auction.stages import BidStage
from rtb.ledger import LeaseBook, MemoryLedger
from rtb.models.policy import neutral
from rtb.models.scores import Scores
from rtb.targeting.listing import Listing
from tests.conftest import Valkey
from tests.rtb.builders import make_campaign, make_request, make_table, to_json


class Stages:
    """Stages in this process that take as long as they are told to."""

    in_flight = 1
    seconds = 0.0

    def __init__(self) -> None:
        self.batches: list[int] = []
        listing = Listing(1, make_campaign(value=10_000_000_000, max_bid=5_000))
        ledger = MemoryLedger()
        self.listings = [listing]
        self.book = LeaseBook(ledger, seconds=600.0, share=1.0, notice_ttl=60.0)
        self.bidder = BidStage(neutral(), self.book)
        self.bidder.set_pacing_table(make_table(self.listings))
        self._ledger = ledger

    async def fund(self) -> None:
        await self._ledger.open(1, 10**12)
        await self.book.maintain()

    async def score(self, rows: Any, seconds: float) -> Any:
        self.batches.append(len(rows))
        await asyncio.sleep(self.seconds)
        return Scores(np.full((len(rows), 2), 0.5, np.float32), "of a test")

    async def decide(self, auction: Any, seconds: float) -> Any:
        return self.bidder.decide(auction)

    async def reconfigure(self, config: Any) -> None:
        pass

    async def check_health(self) -> None:
        pass

    async def artefacts(self) -> dict[str, dict[str, Any]]:
        return {}

    async def readiness(self) -> dict[str, Any]:
        return {}


class Door:
    """A replica's ASGI application."""

    def __init__(self, stages: Any = None) -> None:
        self.stages = Stages() if stages is None else stages
        self.parts = router_parts(self.stages, None)
        self.parts.trading.edge.set_catalog(self.stages.listings)
        self.app = self.parts.front

    async def send(self, path: str, body: bytes = b"", query: bytes = b"") -> tuple[int, bytes]:
        sent: list[Any] = []
        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": query}

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def collect(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, collect)
        return sent[0]["status"], sent[1]["body"]

    async def ask(self, tmax: int) -> int:
        return (await self.send("/openrtb2/bid", to_json(make_request(tmax=tmax))))[0]

    async def load(self, requests: int, *, every: float, tmax: int) -> Counter[int]:
        """Statuses of requests that come one after the other, whether or not those before are answered."""
        asked = []
        for _ in range(requests):
            asked.append(asyncio.ensure_future(self.ask(tmax)))
            await asyncio.sleep(every)
        return Counter(await asyncio.gather(*asked))

    def reasons(self) -> dict[str, int]:
        found = {name: n for name, n in self.parts.stores.tally._pending.items() if name.startswith("no_bid.")}
        self.parts.stores.tally._pending.clear()
        return found


@pytest.fixture
def environment(environment: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYBID_REQUIRE_EXCHANGE_KEY", "false")


@pytest.mark.usefixtures("environment")
async def test_slow_stages_shed_nearly_all_and_quick_ones_bid_again() -> None:
    door = Door()
    await door.stages.fund()
    assert await door.load(20, every=0.005, tmax=5_000) == {200: 20}
    door.stages.seconds = 0.5
    door.stages.batches.clear()
    slow = await door.load(200, every=0.01, tmax=200)
    reasons = door.reasons()
    assert slow == {204: 200}
    assert set(reasons) <= {"no_bid.shed_latency", "no_bid.timeout"}
    # Before the first slow batch ended nobody could know; after it only probes are begun.
    assert reasons["no_bid.shed_latency"] >= 50
    assert sum(door.stages.batches) < 100
    door.stages.seconds = 0.0
    for _ in range(20):  # probes find out; a noisy machine may take some more
        again = await door.load(20, every=0.02, tmax=5_000)
        if again == {200: 20}:
            break
    assert again == {200: 20}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("charge_on", ["win", "bill"])
async def test_an_exchange_is_charged_by_the_notice_it_says(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, charge_on: str
) -> None:
    (tmp_path / "acme.yaml").write_text(f"name: acme\ncharge_on: {charge_on}")
    monkeypatch.setenv("RAYBID_EXCHANGES_DIR", str(tmp_path))
    door = Door()
    await door.stages.fund()
    await valkey.vet()
    await door.parts.stores.ledger.open(1, 10**9)
    _, body = await door.send("/openrtb2/acme", to_json(make_request(tmax=5_000)))
    bid = json.loads(body)["seatbid"][0]["bid"][0]
    spent = []
    for url in (bid["nurl"], bid["burl"]):
        parts = urlsplit(url.replace("${AUCTION_PRICE}", "1.5").replace("${AUCTION_MIN_TO_WIN}", ""))
        assert (await door.send(parts.path, query=parts.query.encode()))[0] == 204
        spent.append((await door.parts.stores.ledger.balances([1]))[0].spent)
    assert spent == ([1_500, 1_500] if charge_on == "win" else [0, 1_500])


@pytest.mark.usefixtures("environment")
async def test_a_queue_that_is_full_sheds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYBID_MAX_QUEUE", "5")
    door = Door()
    await door.stages.fund()
    door.stages.seconds = 0.3
    statuses = await door.load(50, every=0, tmax=20_000)
    assert door.reasons() == {"no_bid.shed_queue": statuses[204]}
    assert statuses[200] <= 5 + 1 + 5
    assert statuses[200] + statuses[204] == 50
