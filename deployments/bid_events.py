"""Appending bid events to the stream, in the background."""

from __future__ import annotations

from deployments.tally import Tally
from rtb.events import EventSink


class BidEventSender:
    """Appends bid events, and counts those that were dropped."""

    def __init__(self, sink: EventSink, tally: Tally) -> None:
        self._sink = sink
        self._tally = tally
        self._dropped = 0

    async def flush(self) -> None:
        """Append the queued events; count those that queue or stream dropped since the last call.

        Raises:
            RedisError: the server is unavailable.
        """
        try:
            await self._sink.flush()
        finally:
            if self._sink.dropped > self._dropped:
                self._tally.add("bid_events_dropped", self._sink.dropped - self._dropped)
                self._dropped = self._sink.dropped
