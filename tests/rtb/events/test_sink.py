"""The sink of bid events: in order, kept while the server is unavailable, bounded."""

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
from tests.lossy import LossyLine


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
    rows: Any = await client.xrange(STREAM)
    assert all(fields[b"kind"] == b"bid" for _, fields in rows)
    return [msgspec.json.decode(fields[b"data"], type=BidEvent) for _, fields in rows]


async def test_events_are_stored_whole_and_in_order(valkey: Valkey):
    async with valkey.client() as client:
        sink = EventSink(client)
        for number in range(10):
            sink.put(event(number))
        assert await sink.flush() == 10
        sink.put(event(10))
        assert await sink.flush() == 1
        assert await sink.flush() == 0
        assert await stored(client) == [event(number) for number in range(11)]
        rows: Any = await client.xrange(STREAM)
        assert rows[3][1][b"bid"] == b"7-3"


async def test_events_are_kept_in_order_while_the_server_is_away(valkey: Valkey):
    async with LossyLine(valkey) as line, line.client() as client:
        sink = EventSink(client)
        sink.put(event(0))
        line.cut = True
        failing = asyncio.ensure_future(sink.flush())
        await asyncio.sleep(0)
        sink.put(event(1))  # while the batch is on its way
        with pytest.raises(Unreachable):
            await failing
        line.cut = False
        sink.put(event(2))
        assert await sink.flush() == 3
        assert await stored(client) == [event(0), event(1), event(2)]
        assert sink.dropped == 0


async def test_events_are_stored_once_though_answers_are_lost(valkey: Valkey, monkeypatch: pytest.MonkeyPatch):
    """A client that tries again, and a sink that does: the stream has each event once, in order."""
    monkeypatch.setattr(sink_module, "_AT_ONCE", 3)
    async with LossyLine(valkey) as line, line.client(retries=1) as client:
        sink = EventSink(client)
        sink.put(event(0))
        written = await sink.flush()
        for first, lost in ((1, 1), (11, 2), (21, 5)):
            line.lose = lost
            for number in range(first, first + 10):
                sink.put(event(number))
            try:
                written += await sink.flush()
            except Unreachable:
                assert lost > 1
        line.lose = 0
        await sink.flush()
        assert await stored(client) == [event(number) for number in range(31)]


async def test_the_oldest_events_make_room_and_are_counted(valkey: Valkey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sink_module, "_QUEUE", 3)
    async with valkey.client() as client:
        sink = EventSink(client)
        for number in range(5):
            sink.put(event(number))
        assert sink.dropped == 2
        assert await sink.flush() == 3
        assert await stored(client) == [event(2), event(3), event(4)]


async def test_events_that_make_room_for_newer_ones_while_some_are_on_their_way_are_counted(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sink_module, "_QUEUE", 3)
    async with LossyLine(valkey) as line, line.client() as client:
        sink = EventSink(client)
        for number in range(2):
            sink.put(event(number))
        line.cut = True
        with pytest.raises(Unreachable):
            await sink.flush()
        for number in range(2, 6):
            sink.put(event(number))
        line.cut = False
        assert sink.dropped == 1
        await sink.flush()
        assert await stored(client) == [event(number) for number in (0, 1, 3, 4, 5)]


def test_a_sink_without_a_server_keeps_nothing():
    sink = EventSink(None)
    sink.put(event(0))
    assert asyncio.run(sink.flush()) == 0


async def test_bids_are_refused_while_the_stream_is_full(valkey: Valkey):
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


async def test_the_backlog_says_how_far_the_writer_is_behind(valkey: Valkey):
    async with valkey.client() as client:
        sink = EventSink(client)
        assert await sink.backlog() == Backlog(0, 0.0)
        await client.xadd(STREAM, {"kind": "bid"}, id=f"{round(time.time() * 1_000) - 5_000}-0")
        backlog = await sink.backlog()
        assert backlog.length == 1
        assert 5 <= backlog.lag < 8
