"""What happened, for learning and for the books: bid events written in batches beside the notices' own.

A notice's event is appended by the ledger's script together with its money, so the two cannot disagree. A bid's event
is appended by the Router in the background: losing one loses a training row, never money.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
import redis.asyncio as aioredis

STREAM = "raybid:events"
STREAM_LENGTH = 500_000
"""Events kept (about); older ones are dropped by the server."""

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


class EventSink:
    """Queues bid events and appends them to the stream.

    Args:
        client: of the server that keeps the stream; `None` keeps nothing (simulations).
    """

    def __init__(self, client: aioredis.Redis | None) -> None:
        self._client: Any = client
        self._queue: deque[BidEvent] = deque(maxlen=_QUEUE)
        self.dropped = 0

    def put(self, event: BidEvent) -> None:
        """Queue an event; when the server has been away for long the oldest make room, and are counted."""
        self.dropped += len(self._queue) == _QUEUE
        self._queue.append(event)

    async def flush(self) -> int:
        """Append what is queued; events written. On an error of the client they stay queued."""
        if not self._queue or self._client is None:
            return 0
        batch, self._queue = self._queue, deque(maxlen=_QUEUE)
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for event in batch:
                    row = {"kind": "bid", "bid": event.bid, "data": msgspec.json.encode(event)}
                    pipe.xadd(STREAM, row, maxlen=STREAM_LENGTH, approximate=True)
                await pipe.execute()
        except BaseException:
            newer, self._queue = self._queue, deque(batch, maxlen=_QUEUE)
            self.dropped += max(0, len(batch) + len(newer) - _QUEUE)
            self._queue.extend(newer)
            raise
        return len(batch)
