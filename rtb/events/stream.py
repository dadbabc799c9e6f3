"""The stream of events for its one consumer. An event's id is `<Unix ms>-<n>`, assigned by the server in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import redis
from redis.exceptions import ResponseError

STREAM = "raybid:events"
START = "0-0"
"""The position before the first event."""

_ALL = 1 << 31


class StreamError(RuntimeError):
    """A stream other than the one whose events were written; the message says what to do."""


class StreamEntry(NamedTuple):
    """A raw event of the stream."""

    id: str
    fields: dict[bytes, bytes]


def id_order(id: str) -> tuple[int, int]:
    """Return an id in comparable form: Unix milliseconds, and a number within them."""
    milliseconds, number = id.split("-")
    return int(milliseconds), int(number)


class EventStream:
    """A blocking reader of the stream, for a thread of its own. `RedisError` is passed on as it is.

    Args:
        client: client of the stream's server.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client

    def read(self, after: str, count: int) -> Sequence[StreamEntry]:
        """Return the next events after a position, in order, at most `count`."""
        rows = self._client.xrange(STREAM, min=f"({after}", count=count)
        return [StreamEntry(id.decode(), fields) for id, fields in rows]

    def check(self, written: str) -> None:
        """Check that the stream is the one that was written up to here.

        Raises:
            StreamError: its newest event is older: new events could be taken for written ones.
        """
        last = self._last_id()
        if last is not None and id_order(last) < id_order(written):
            raise StreamError(
                f"the event stream ends at {last}, its files at {written}: the server was rolled back, or wiped and "
                "its clock set back. Stop the platform and run `python -m pipelines.rebuild_ledger`"
            )

    def trim(self, position: str) -> int:
        """Remove the events up to and including a position; return how many."""
        milliseconds, number = id_order(position)
        return int(self._client.xtrim(STREAM, minid=f"{milliseconds}-{number + 1}", approximate=False))

    def continue_after(self, position: str, is_written: Callable[[Sequence[StreamEntry]], Sequence[bool]]) -> None:
        """Continue a lost or rolled-back stream with ids after a position, whatever the clock says.

        Events written before are dropped: a server that was rolled back has them again. Other events with ids before
        the position came after the loss, and are moved behind it in order. Nobody else may read or write meanwhile.

        Args:
            position: id of the last event written.
            is_written: function that tells which of these events were written.
        """
        if id_order(self._last_id() or START) >= id_order(position):
            return
        rows = self.read(START, _ALL)
        left = [row.fields for row, known in zip(rows, is_written(rows), strict=True) if not known]
        milliseconds, number = id_order(position)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.delete(STREAM)
            pipe.xadd(STREAM, {"kind": "resumed"}, id=position)
            for offset, fields in enumerate(left, start=1):
                pipe.xadd(STREAM, fields, id=f"{milliseconds}-{number + offset}")
            pipe.xtrim(STREAM, minid=f"{milliseconds}-{number + 1}", approximate=False)
            pipe.execute()

    def _last_id(self) -> str | None:
        """Return the id of the newest event ever, trimmed or not; `None` without a stream."""
        try:
            return str(self._client.xinfo_stream(STREAM)["last-generated-id"].decode())
        except ResponseError as error:
            if "no such key" in str(error):
                return None
            raise
