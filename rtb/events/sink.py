"""Bid events on their way to the stream: queued, appended in batches, refused while the stream is full."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

import msgspec
import redis.asyncio as aioredis

from rtb.events.stream import STREAM, place

_QUEUE = 20_000


class BidEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A bid as it was sent, with what the models saw.

    Attributes:
        bid: its id; notices name it.
        request: the exchange's id of the request.
        campaign: number of the campaign.
        creative: `campaign/creative`.
        features: the candidate's row of buckets.
        pctr: predicted chance of a click.
        multiplier: the policy's.
        price_micros: bid for the impression.
        floor_micros: its floor.
        at: Unix time.
    """

    bid: str
    request: str
    campaign: int
    creative: str
    features: list[int]
    pctr: float
    multiplier: float
    price_micros: int
    floor_micros: int
    at: float


class Backlog(NamedTuple):
    """What the writer has still to make durable.

    Attributes:
        length: events in the stream.
        lag: age of the oldest of them in seconds, 0 when there is none.
    """

    length: int
    lag: float


class EventSink:
    """Queues bid events and appends them to the stream.

    Args:
        client: of the server that keeps the stream; `None` keeps nothing (simulations).
        limit: length of the stream from which on bid events are refused. Events of money never are: the ledger's
            scripts append them, and they need the room.
    """

    def __init__(self, client: aioredis.Redis | None, limit: int = 1_000_000) -> None:
        self._client: Any = client
        self._limit = limit
        self._queue: deque[BidEvent] = deque(maxlen=_QUEUE)
        self._is_full = False  # the stream, when it was last looked at
        self.dropped = 0

    def put(self, event: BidEvent) -> None:
        """Queue an event; when the server has been away for long the oldest make room, and are counted."""
        self.dropped += len(self._queue) == _QUEUE
        self._queue.append(event)

    async def flush(self) -> int:
        """Append what is queued; events written. On an error of the client they stay queued.

        The stream's length is asked for in the same round trip, and governs the next call: a stream over its limit
        grows by one more queue at most.
        """
        if self._client is None or not (self._queue or self._is_full):
            return 0
        batch, self._queue = self._queue, deque(maxlen=_QUEUE)
        if self._is_full:
            self.dropped += len(batch)
            batch.clear()
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for event in batch:
                    pipe.xadd(STREAM, {"kind": "bid", "bid": event.bid, "data": msgspec.json.encode(event)})
                pipe.xlen(STREAM)
                *_, length = await pipe.execute()
        except BaseException:
            newer, self._queue = self._queue, deque(batch, maxlen=_QUEUE)
            self.dropped += max(0, len(batch) + len(newer) - _QUEUE)
            self._queue.extend(newer)
            raise
        self._is_full = length >= self._limit
        return len(batch)

    async def backlog(self) -> Backlog:
        """How far the writer is behind.

        Raises:
            RedisError: the server does not answer.
        """
        if self._client is None:
            return Backlog(0, 0.0)
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.xlen(STREAM)
            pipe.xrange(STREAM, count=1)
            length, oldest = await pipe.execute()
        lag = time.time() - place(oldest[0][0].decode())[0] / 1_000 if oldest else 0.0
        return Backlog(int(length), max(0.0, round(lag, 3)))
