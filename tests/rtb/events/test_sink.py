"""The sink of bid events: in order, kept while the server is away, bounded."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest
import redis.asyncio as aioredis
from redis.exceptions import ConnectionError as Unreachable

from rtb.events import STREAM, Backlog, BidEvent, EventSink
from rtb.events import sink as sink_module
from tests.conftest import Valkey


class Flaky:
    """A client that can be out of reach."""

    def __init__(self, client: aioredis.Redis) -> None:
        self._client = client
        self.away = False
        self.meanwhile: Any = None

    def pipeline(self, **options: Any) -> Any:
        if self.meanwhile is not None:
            self.meanwhile()
        if self.away:
            raise Unreachable("away")
        return self._client.pipeline(**options)


def event(number: int) -> BidEvent:
    return BidEvent(
        bid=f"7-{number:x}",
        request=f"request {number} \u00fc",
        campaign=1,
        creative="c/1",
        features=[1, 2, 3],
        pctr=0.25,
        multiplier=1.5,
        price_micros=number,
        floor_micros=10,
        at=1_800_000_000.5,
    )


async def stored(client: aioredis.Redis) -> list[BidEvent]:
    rows = await client.xrange(STREAM)
    assert all(fields[b"kind"] == b"bid" for _, fields in rows)
    return [msgspec.json.decode(fields[b"data"], type=BidEvent) for _, fields in rows]


def test_events_are_stored_whole_and_in_order(valkey: Valkey):
    async def main() -> None:
        async with valkey.client() as client:
            sink = EventSink(client)
            for number in range(10):
                sink.put(event(number))
            assert await sink.flush() == 10
            sink.put(event(10))
            assert await sink.flush() == 1
            assert await sink.flush() == 0
            assert await stored(client) == [event(number) for number in range(11)]
            assert (await client.xrange(STREAM))[3][1][b"bid"] == b"7-3"

    asyncio.run(main())


def test_events_are_kept_in_order_while_the_server_is_away(valkey: Valkey):
    async def main() -> None:
        async with valkey.client() as client:
            flaky = Flaky(client)
            sink = EventSink(flaky)  # type: ignore[arg-type]
            sink.put(event(0))
            flaky.away = True
            flaky.meanwhile = lambda: sink.put(event(1))  # while the batch is on its way
            with pytest.raises(Unreachable):
                await sink.flush()
            flaky.away, flaky.meanwhile = False, None
            sink.put(event(2))
            assert await sink.flush() == 3
            assert await stored(client) == [event(0), event(1), event(2)]
            assert sink.dropped == 0

    asyncio.run(main())


def test_the_oldest_events_make_room_and_are_counted(valkey: Valkey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sink_module, "_QUEUE", 3)

    async def main() -> None:
        async with valkey.client() as client:
            sink = EventSink(client)
            for number in range(5):
                sink.put(event(number))
            assert sink.dropped == 2
            assert await sink.flush() == 3
            assert await stored(client) == [event(2), event(3), event(4)]

    asyncio.run(main())


def test_events_that_make_room_for_newer_ones_during_a_failed_flush_are_counted(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sink_module, "_QUEUE", 3)

    async def main() -> None:
        async with valkey.client() as client:
            flaky = Flaky(client)
            sink = EventSink(flaky)  # type: ignore[arg-type]
            for number in range(2):
                sink.put(event(number))
            flaky.away = True
            flaky.meanwhile = lambda: [sink.put(event(number)) for number in (2, 3)]
            with pytest.raises(Unreachable):
                await sink.flush()
            flaky.away, flaky.meanwhile = False, None
            assert sink.dropped == 1
            await sink.flush()
            assert await stored(client) == [event(1), event(2), event(3)]

    asyncio.run(main())


def test_a_sink_without_a_server_keeps_nothing():
    sink = EventSink(None)
    sink.put(event(0))
    assert asyncio.run(sink.flush()) == 0


def test_bids_are_refused_while_the_stream_is_full(valkey: Valkey):
    async def main() -> None:
        async with valkey.client() as client:
            sink = EventSink(client, limit=5)
            for first, written in ((0, 3), (3, 3), (6, 0)):
                for number in range(first, first + 3):
                    sink.put(event(number))
                assert await sink.flush() == written  # the length seen at one call governs the next
            assert (sink.dropped, await client.xlen(STREAM)) == (3, 6)
            await client.xtrim(STREAM, maxlen=2, approximate=False)
            assert await sink.flush() == 0
            sink.put(event(9))
            assert await sink.flush() == 1
            assert await stored(client) == [event(4), event(5), event(9)]

    asyncio.run(main())


def test_the_backlog_says_how_far_the_writer_is_behind(valkey: Valkey):
    async def main() -> None:
        async with valkey.client() as client:
            sink = EventSink(client)
            assert await sink.backlog() == Backlog(0, 0.0)
            await client.xadd(STREAM, {"kind": "bid"}, id=f"{round(time.time() * 1_000) - 5_000}-0")
            length, lag = await sink.backlog()
            assert length == 1
            assert 5 <= lag < 8

    asyncio.run(main())
