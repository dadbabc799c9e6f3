"""The stream of events as its one consumer sees it. An event's id is `<Unix ms>-<n>`, given by the server in order."""

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
    """The stream is not the one whose events were written; the message says what to do."""


class Entry(NamedTuple):
    """An event as the server keeps it."""

    id: str
    fields: dict[bytes, bytes]


def place(id: str) -> tuple[int, int]:
    """An id as something to compare by: Unix milliseconds, and a number within them."""
    milliseconds, number = id.split("-")
    return int(milliseconds), int(number)


class EventStream:
    """Reads and trims; blocking, for a thread of its own. `RedisError` comes through as it is.

    Args:
        client: of the server.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client

    def read(self, after: str, count: int) -> Sequence[Entry]:
        """The next events after a position, in order, at most `count`."""
        rows = self._client.xrange(STREAM, min=f"({after}", count=count)
        return [Entry(id.decode(), fields) for id, fields in rows]

    def check(self, written: str) -> None:
        """See that the stream is the one that was written up to here.

        Raises:
            StreamError: its newest event is older than that: new ones could be taken for written ones.
        """
        last = self._last_id()
        if last is not None and place(last) < place(written):
            raise StreamError(
                f"the event stream ends at {last}, its files at {written}: the server was rolled back, or wiped and "
                "its clock set back. Stop the platform and run `python -m pipelines.rebuild_ledger`"
            )

    def trim(self, position: str) -> int:
        """Forget the events up to a position, that one included; how many there were."""
        milliseconds, number = place(position)
        return int(self._client.xtrim(STREAM, minid=f"{milliseconds}-{number + 1}", approximate=False))

    def continue_after(self, position: str, is_written: Callable[[Sequence[Entry]], Sequence[bool]]) -> None:
        """Let a stream that was lost or rolled back go on: ids after a position, whatever the clock says.

        Events that were written before are dropped: a server that was rolled back has them again. What else is there
        under ids before the position came after a loss, and moves behind it, in its order. Nobody else may read or
        write meanwhile.

        Args:
            position: of the last event written.
            is_written: whether each of these was.
        """
        if place(self._last_id() or START) >= place(position):
            return
        rows = self.read(START, _ALL)
        left = [row.fields for row, known in zip(rows, is_written(rows), strict=True) if not known]
        milliseconds, number = place(position)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.delete(STREAM)
            pipe.xadd(STREAM, {"kind": "resumed"}, id=position)
            for offset, fields in enumerate(left, start=1):
                pipe.xadd(STREAM, fields, id=f"{milliseconds}-{number + offset}")
            pipe.xtrim(STREAM, minid=f"{milliseconds}-{number + 1}", approximate=False)
            pipe.execute()

    def _last_id(self) -> str | None:
        """Of the newest event there ever was, trimmed or not; `None` without a stream."""
        try:
            return str(self._client.xinfo_stream(STREAM)["last-generated-id"].decode())
        except ResponseError as error:
            if "no such key" in str(error):
                return None
            raise
