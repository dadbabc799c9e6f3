"""The events' Parquet files: bids and their outcomes."""

from __future__ import annotations

import time
from threading import Lock

import pyarrow as pa

from rtb.events.parquet import read_events
from rtb.store import Store

MOST_EVENTS = 600_000
"""Maximum number of events to read, the newest ones: more would make each refresh slow."""

_BRIEFLY_S = 0.8
_LATER_S = 60.0  # beyond now: clocks of two machines differ


class EventsMissing(RuntimeError):
    """An error when there are no files to read; the message says what to do."""


class EventFiles:
    """A reader of recent events, cached so that one drawing reads once.

    Args:
        store: store of the events.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._known: dict[float, tuple[float, pa.Table]] = {}

    def last(self, seconds: float) -> pa.Table:
        """Return the events of the last seconds, a table of `rtb.events.schema.SCHEMA`.

        Raises:
            EventsMissing: the store is missing, or cannot be read.
        """
        with self._lock:
            at, table = self._known.get(seconds, (0.0, None))
            if table is None or time.monotonic() - at > _BRIEFLY_S:
                table = self._read(seconds)
                self._known = {seconds: (time.monotonic(), table)}
            return table

    def _read(self, seconds: float) -> pa.Table:
        folder = self._store.local()
        if folder is not None and not folder.is_dir():
            raise EventsMissing(
                f"there is no folder {folder}: set RAYBID_STORE or RAYBID_VAR_DIR to the platform's, or mount its "
                "`events` there"
            )
        now = time.time()
        try:
            table = read_events(self._store, now - seconds, now + _LATER_S)
        except (OSError, pa.ArrowInvalid) as error:
            raise EventsMissing(f"{self._store.url} cannot be read ({error}): check its permissions") from error
        return table.slice(max(0, len(table) - MOST_EVENTS))
