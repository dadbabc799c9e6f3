"""Bid events on their way to the stream: queued, appended in batches, refused while the stream is full."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import msgspec
import redis.asyncio as aioredis

from rtb.events.stream import STREAM, place
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
    """A bid as it was sent, with what the models saw.

    Attributes:
        bid: its id; notices name it.
        request: the exchange's id of the request.
        campaign: number of the campaign.
        creative: `campaign/creative`.
        features: the candidate's row of buckets.
        feature_schema: version of the encoder that made it; none in events from before it was said.
        pctr: predicted chance of a click.
        multiplier: the policy's.
        price_micros: bid for the impression.
        floor_micros: its floor.
        at: Unix time.
        first_price: whether a winner pays its own bid.
        experiment: as whose challenger it was bid; none: the champion's.
        exchange: number of the exchange; none: from before it was recorded.
        caller: number of the key that asked for it; 0: it was asked without one.
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
    first_price: bool | None = None  # none: from before it was recorded
    feature_schema: str | None = None
    experiment: int | None = None
    exchange: int | None = None
    caller: int | None = None


class Backlog(msgspec.Struct, frozen=True):
    """What the writer has still to make durable.

    Attributes:
        length: events in the stream.
        lag: age of the oldest of them in seconds, 0 when there is none.
    """

    length: int
    lag: float


class EventSink:
    """Queues bid events and appends them to the stream, each once.

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
        self._script: Any = None if client is None else client.register_script(once(_APPEND))
        self._outbox: Outbox[list[BidEvent]] = Outbox(self._append)
        self._appended = 0
        self.dropped = 0

    def put(self, event: BidEvent) -> None:
        """Queue an event; when the server has been away for long the oldest make room, and are counted."""
        self.dropped += len(self._queue) == _QUEUE
        self._queue.append(event)

    async def flush(self) -> int:
        """Append what is queued; events written. On an error of the client they are kept for the next call.

        Each answer says how long the stream is: one over its limit grows by a few events at most.
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

    def _take(self) -> list[BidEvent] | None:
        return [self._queue.popleft() for _ in range(min(len(self._queue), _AT_ONCE))] or None

    async def _append(self, stamp: Stamp, events: list[BidEvent]) -> None:
        rows = ((event.bid, msgspec.json.encode(event)) for event in events)
        length = await self._script(args=[*stamp, STREAM, *(part for row in rows for part in row)])
        self._is_full = length >= self._limit
        self._appended += len(events)
