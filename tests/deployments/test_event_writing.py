"""The Controller writes events, and any Router says how far it is."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import httpx
import msgspec
import pytest
import redis

from deployments.api import reports
from deployments.bid_events import BidEventSender
from deployments.controller import Controller
from deployments.metrics import ReportParts
from deployments.tally import Tally
from rtb.catalog import Catalog, KeyRing
from rtb.events import STREAM, BidEvent, EventSink
from rtb.events.parquet import last_written
from rtb.ledger import ValkeyLedger
from rtb.runtime.settings import Settings
from tests.conftest import Valkey
from tests.deployments.rest import rest
from tests.rtb.events.support import add, expected_ids


@pytest.fixture
def settings(environment: Valkey, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("RAYBID_REQUIRE_REPORT_KEY", "false")
    monkeypatch.setenv("RAYBID_EVENT_SECONDS", "0.05")
    return Settings()


class Local(Controller):
    """Without Serve, nobody awaits this."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


async def test_the_controller_writes_events_and_what_is_left_when_it_stops(valkey: Valkey, settings: Settings) -> None:
    with redis.Redis(port=valkey.port) as client:
        controller = Local()
        add(client, 0, 30)
        await controller.check_health()
        async with asyncio.timeout(20):
            while client.xlen(STREAM):
                await asyncio.sleep(0.05)
        assert last_written(settings.events_dir) == expected_ids(30)[-1]
        controller.parts.background.cancel()
        add(client, 30, 5)
        await Controller.__del__(controller)
        assert last_written(settings.events_dir) == expected_ids(35)[-1]


async def test_the_controller_makes_one_file_of_an_hour_that_is_over(valkey: Valkey, settings: Settings) -> None:
    def files() -> list[int]:
        return [len(list(hour.glob("part-*"))) for hour in sorted(settings.events_dir.glob("date=*/hour=*"))]

    with redis.Redis(port=valkey.port) as client:
        controller = Local()
        await controller.check_health()
        async with asyncio.timeout(60):
            for first in (0, 300, 600, 900, 1_000):  # 900 to an hour
                add(client, first, 100)
                while client.xlen(STREAM):
                    await asyncio.sleep(0.05)
            while files()[0] > 1:
                await asyncio.sleep(0.05)
        assert files()[1] > 1  # this one is not over
        controller.parts.background.cancel()
        await Controller.__del__(controller)


async def test_the_controller_learns_markets_from_what_it_writes_and_the_next_one_from_its_files(
    valkey: Valkey, settings: Settings
) -> None:
    """First-price auctions lost at 400 and won at 600: the price to beat lies between."""

    def play(client: redis.Redis, bids: int) -> None:
        with client.pipeline(transaction=False) as pipe:
            for number in range(bids):
                is_won, at = number % 2 == 1, time.time()
                event = BidEvent(
                    bid=f"7-{number:x}", request="r", campaign=7, creative="c/1", features=[], pctr=0.1,
                    multiplier=1.0, price_micros=600 if is_won else 400, floor_micros=10, at=at, first_price=True,
                    exchange=3, caller=4,
                )  # fmt: skip
                kind, outcome = ("bill", "settled") if is_won else ("loss", "freed")
                notice: dict[Any, Any] = {"kind": kind, "bid": event.bid, "campaign": "7", "price_micros": "0"}
                pipe.xadd(STREAM, notice | {"at": str(at), "outcome": outcome})
                pipe.xadd(STREAM, {"kind": "bid", "bid": event.bid, "data": msgspec.json.encode(event)})
            pipe.execute()

    with redis.Redis(port=valkey.port) as client:
        play(client, 200)
        medians = []
        for _ in range(2):  # the second finds the stream empty
            controller = Local()
            await controller.parts.events.write()
            medians.append(controller.parts.events.markets[7].price_median)
            controller.parts.events.close()
        assert medians == pytest.approx([490, 490], rel=0.05)  # halfway, as logarithms have it


def test_stats_show_the_backlog(valkey: Valkey, settings: Settings) -> None:
    async def main(writing: redis.Redis) -> dict[str, Any]:
        async with valkey.client() as client:
            catalog = Catalog(settings.catalog_url)
            tally, events, other = Tally(client), EventSink(client, limit=3), cast(Any, None)
            parts = ReportParts(client, ValkeyLedger(client), other, catalog, tally, events, other, other)
            add(writing, 0, 3)
            transport = httpx.ASGITransport(rest([reports.routes(settings, parts)], settings, KeyRing(catalog.keys)))
            async with httpx.AsyncClient(transport=transport, base_url="http://raybid") as browser:
                events.put(other)  # never encoded: the stream is full
                events._is_full = True
                await BidEventSender(events, tally).flush()
                answer: dict[str, Any] = (await browser.get("/stats")).json()
                return answer

    with redis.Redis(port=valkey.port) as writing:
        stats = asyncio.run(main(writing))
    assert stats["events"] == {"length": 3, "lag": 0.0}  # from the future, so of no age
    assert stats["counters"] == {"bid_events_dropped": 1}
