"""Bid events on their way to the stream: queued, appended in batches, dropped while the stream is full."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import msgspec
import redis.asyncio as aioredis

from rtb.events.stream import STREAM, id_order
from rtb.runtime.outbox import Outbox, Stamp, once

_QUEUE = 20_000
_AT_ONCE = 200  # events in one call, so that no notice waits long behind them

_APPEND = """
-- ARGV: sender, number, stream, then bids and their data. Returns how long the stream is
if is_new(ARGV[1], ARGV[2]) then
  for i = 4, #ARGV, 2 do redis.call('XADD', ARGV[3], '*', 'kind', 'bid', 'bid', ARGV[i], 'data', ARGV[i + 1]) end
end
return redis.call('XLEN', ARGV[3])
"""


class BidEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A bid as it was sent, with the inputs of the models.

    Attributes:
        bid: id of the bid, as in its notices.
        request: the exchange's id of the request.
        campaign: number of the campaign.
        creative: `campaign/creative`.
        features: the candidate's row of buckets.
        feature_schema: version of the encoder of `features`; none in old events.
        pctr: predicted chance of a click.
        multiplier: multiplier of the policy.
        price_micros: price bid for one impression.
        floor_micros: floor of the impression.
        at: Unix time.
        first_price: whether a winner pays its own bid.
        experiment: number of the experiment whose challenger bid; none: the champion bid.
        exchange: number of the exchange; none in old events.
        caller: number of the API key of the request; 0: it came without one.
        quantity: impressions that the sale stands for; none in old events: 1.
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
    first_price: bool | None = None  # none in old events
    feature_schema: str | None = None
    experiment: int | None = None
    exchange: int | None = None
    caller: int | None = None
    quantity: float | None = None


class Backlog(msgspec.Struct, frozen=True):
    """The events that are not yet durable.

    Attributes:
        length: events in the stream.
        lag: age of the oldest one in seconds; 0 where there is none.
    """

    length: int
    lag: float


class EventSink:
    """A queue of bid events that appends each to the stream once.

    Args:
        client: client of the stream's server; `None` discards events (simulations).
        limit: length of the stream from which bid events are dropped. Money events never are: the ledger's scripts
            append them, and they need the room.
    """

    def __init__(self, client: aioredis.Redis | None, limit: int = 1_000_000) -> None:
        self._client: Any = client
        self._limit = limit
        self._queue: deque[BidEvent] = deque(maxlen=_QUEUE)
        self._is_full = False  # the stream, when it was last looked at
        self._script: Any = None if client is None else client.register_script(once(_APPEND))
        self._outbox: Outbox[list[BidEvent]] = Outbox(self._append)
        self._appended = 0
        self.dropped = 0

    def put(self, event: BidEvent) -> None:
        """Queue an event; when the queue is full, drop and count the oldest."""
        self.dropped += len(self._queue) == _QUEUE
        self._queue.append(event)

    async def flush(self) -> int:
        """Append the queued events; return how many. On an error of the client they stay for the next call.

        Each answer tells the length of the stream, so that it exceeds its limit by a few events at most.
        """
        if self._client is None:
            return 0
        if self._is_full:
            self._is_full = await self._client.xlen(STREAM) >= self._limit
        if self._is_full:
            self.dropped += len(self._queue)
            self._queue.clear()
        before = self._appended
        await self._outbox.send(self._take)
        while self._queue and not self._is_full:
            await self._outbox.send(self._take)
        return self._appended - before

    async def backlog(self) -> Backlog:
        """Return how far the writer is behind.

        Raises:
            RedisError: the server does not answer.
        """
        if self._client is None:
            return Backlog(0, 0.0)
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.xlen(STREAM)
            pipe.xrange(STREAM, count=1)
            length, oldest = await pipe.execute()
        lag = time.time() - id_order(oldest[0][0].decode())[0] / 1_000 if oldest else 0.0
        return Backlog(int(length), max(0.0, round(lag, 3)))

    def _take(self) -> list[BidEvent] | None:
        return [self._queue.popleft() for _ in range(min(len(self._queue), _AT_ONCE))] or None

    async def _append(self, stamp: Stamp, events: list[BidEvent]) -> None:
        rows = ((event.bid, msgspec.json.encode(event)) for event in events)
        length = await self._script(args=[*stamp, STREAM, *(part for row in rows for part in row)])
        self._is_full = length >= self._limit
        self._appended += len(events)
