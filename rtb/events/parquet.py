"""Events in Parquet files, in folders by hour: `date=2026-03-01/hour=09/part-<first id>-<last id>.parquet`.

The hour is that of the event's id in the stream, not of its `at`: ids are in order, so the events of an hour are
adjacent, every file holds one run of the stream, and the files in order are the stream from its beginning. File names
contain the ids, so the files themselves show how far writing came. (`at` is earlier by the time an event was queued:
half a second, or as long as the server was unavailable.)

The files of a past hour are merged into one (`rtb.events.merging`), possibly while others read, and two files overlap
where a writer was replaced that was only cut off. So readers use `runs` or `read_events`, which go by position and
yield each event once, whichever file holds it at that moment.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from rtb.events.schema import SCHEMA, to_table
from rtb.events.stream import START, StreamEntry, id_order
from rtb.runtime.quarantine import RECORD_ERRORS, Fault
from rtb.store import Store

HOUR = 3_600
COMPRESSION = "zstd"
_LAST_MS, _LAST_NUMBER = 10**13 - 1, 2**64 - 1
_NAME = re.compile(r"part-(\d+-\d+)-(\d+-\d+)\.parquet")


class UnreadableEvents(OSError):
    """A damaged or foreign file among the events.

    Attributes:
        fault: which file, and why it cannot be read.
    """

    def __init__(self, part: Part, error: Exception) -> None:
        self.fault = Fault.of("events", part.name, error)
        super().__init__(f"{part} cannot be read, move it away or restore it: {self.fault.reason}")


class EventRun(NamedTuple):
    """Consecutive events of one hour, as many as are read at once.

    Attributes:
        hour: Unix second at which the hour begins.
        last: id of the last event.
        table: table of `SCHEMA`.
    """

    hour: int
    last: str
    table: pa.Table


class Part(NamedTuple):
    """One file: a run of the stream.

    Attributes:
        hour: Unix second at which its hour begins.
        first: id of its first event.
        last: id of its last event.
        store: store of the events.
        name: name of the file in it.
    """

    hour: int
    first: str
    last: str
    store: Store
    name: str

    def __str__(self) -> str:
        return f"{self.store.url}/{self.name}"

    def find(self, columns: Sequence[str], filters: Sequence[tuple[str, str, Any]]) -> pa.Table:
        """Return the rows that pass all filters, as `pyarrow.parquet.read_table` does.

        Raises:
            FileNotFoundError: the file is gone, perhaps merged into another one.
            UnreadableEvents: the file is damaged.
            StoreAway: the store cannot be reached.
        """
        with self._reading(), self.store.open(self.name) as file:
            return pq.read_table(file, columns=list(columns), filters=list(filters))

    def runs(self, after: str = START) -> Iterator[EventRun]:
        """Yield its events after a position, a row group at a time.

        Raises:
            FileNotFoundError: before the first run: the file is gone, perhaps merged into another one.
            UnreadableEvents: the file is damaged.
            StoreAway: the store cannot be reached.
        """
        with self._reading():
            yield from self._runs(id_order(after))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Tell damage from a file that is gone and a store that is away: what is damaged is skipped for ever."""
        try:
            yield
        except (OSError, *RECORD_ERRORS) as error:  # Arrow raises either kind for damage
            if isinstance(error, FileNotFoundError) or (isinstance(error, OSError) and self.store.is_away(error)):
                raise
            raise UnreadableEvents(self, error) from error

    def _runs(self, since: tuple[int, int]) -> Iterator[EventRun]:
        with self.store.open(self.name) as file:
            for group in ds.ParquetFileFormat().make_fragment(file).split_by_row_group():
                known = 0
                if id_order(self.first) <= since:
                    ids = group.to_table(columns=["id"]).column("id")
                    known = _rows_until(ids, since)
                    if known == len(ids):
                        continue
                table = group.to_table(schema=SCHEMA).slice(known)
                yield EventRun(self.hour, table.column("id")[-1].as_py(), table)


def write_parts(store: Store, entries: Sequence[StreamEntry]) -> Iterator[Part]:
    """Write a run of the stream, one file per hour; each is durable when it is yielded.

    Raises:
        OSError: the store cannot be written, or the disk is full.
    """
    for hour, run in groupby(entries, lambda entry: id_order(entry.id)[0] // 1_000 // HOUR * HOUR):
        yield _write(store, hour, list(run))


def runs(store: Store, after: str = START, leave_out: Callable[[Fault], None] | None = None) -> Iterator[EventRun]:
    """Yield the events after a position, in order of the stream, each once, even while files are merged.

    Args:
        store: store of the events.
        after: the position.
        leave_out: callback for each damaged file, whose events are skipped; none: damage is an error.

    Raises:
        OSError: the store cannot be read.
        UnreadableEvents: a file is damaged.
    """
    position, gone = after, None
    while True:
        for part in parts(store, position):
            try:
                for run in part.runs(position):
                    position = run.last
                    yield run
            except FileNotFoundError:
                if part.name == gone:  # still listed after a retry: it was not merged
                    raise
                gone = part.name
                break
            except UnreadableEvents as error:
                if leave_out is None:
                    raise
                leave_out(error.fault)
                position = part.last
        else:
            return


def parts(store: Store, after: str = START) -> Iterator[Part]:
    """Yield the files that hold events after a position, in order of the stream."""
    since = id_order(after)
    for hour_folder in hour_folders(store, since[0] / 1_000):
        yield from (part for part in without_merged(parts_in(store, hour_folder)) if id_order(part.last) > since)


def parts_in(store: Store, hour_folder: str) -> list[Part]:
    """Return the files in the folder of an hour.

    The folder is listed twice: a listing made during a merge can lack some sources and the merged file as well, but
    then that file exists before the second listing.
    """
    names = {*store.files(hour_folder), *store.files(hour_folder)}
    return [part for name in sorted(names) if (part := _part(store, hour_folder, name)) is not None]


def without_merged(found: Iterable[Part]) -> list[Part]:
    """Return files in order of the stream, without those already merged into another one."""
    kept: list[Part] = []
    for part in sorted(found, key=lambda part: (id_order(part.first), [-number for number in id_order(part.last)])):
        if not kept or id_order(part.last) > id_order(kept[-1].last):
            kept.append(part)
    return kept


def last_written(store: Store) -> str:
    """Return the id of the last durable event; `START` where there is none."""
    for hour_folder in reversed(hour_folders(store, 0.0)):
        ids = [part.last for part in parts_in(store, hour_folder)]
        if ids:
            return max(ids, key=id_order)
    return START


def read_events(store: Store, since: float, until: float) -> pa.Table:
    """Return the events that entered the stream between two moments, in order.

    Args:
        store: store of the events.
        since: Unix time, included.
        until: Unix time, left out.

    Returns:
        A table of `SCHEMA`; only files that can hold such events are read. What it raises `runs` says.
    """
    start, end = (min(max(0, round(moment * 1_000)), _LAST_MS) for moment in (since, until))
    found = [SCHEMA.empty_table()]
    for run in runs(store, f"{start - 1}-{_LAST_NUMBER}" if start else START):
        if run.hour >= until:
            break
        found.append(run.table.slice(0, _rows_until(run.table.column("id"), (end - 1, _LAST_NUMBER))))
    return pa.concat_tables(found)


def _write(store: Store, hour: int, entries: Sequence[StreamEntry]) -> Part:
    first, last = entries[0].id, entries[-1].id
    buffer = pa.BufferOutputStream()
    pq.write_table(to_table(entries), buffer, compression=COMPRESSION)
    name = "/".join((*_names(hour), file_name(first, last)))
    store.write(name, memoryview(buffer.getvalue()))
    return Part(hour, first, last, store, name)


def file_name(first: str, last: str) -> str:
    """Return the name of a file that holds the events from one id to another."""
    return f"part-{first}-{last}.parquet"


def _part(store: Store, hour_folder: str, name: str) -> Part | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    first, last = match.groups()
    return Part(id_order(first)[0] // 1_000 // HOUR * HOUR, first, last, store, f"{hour_folder}/{name}")


def _rows_until(ids: pa.ChunkedArray, position: tuple[int, int]) -> int:
    """Return how many of the ordered ids are not after a position."""
    return bisect_right(range(len(ids)), position, key=lambda row: id_order(ids[row].as_py()))


def hour_folders(store: Store, since: float, until: float | None = None) -> list[str]:
    """Return the folders of hours that end after `since` and begin before the hour of `until`, in order of time."""
    first, end = _names(since), ("date=9999",) if until is None else _names(until)
    if first >= end:
        return []
    days = [day for day in store.folders() if day.startswith("date=") and (first[0],) <= (day,) <= end[:1]]
    hours = [(day, hour) for day in days for hour in store.folders(day) if hour.startswith("hour=")]
    return ["/".join(one) for one in hours if first <= one < end]


def _names(moment: float) -> tuple[str, ...]:
    """Return the folder names of a Unix time."""
    at = datetime.fromtimestamp(moment, UTC)
    return f"date={at:%Y-%m-%d}", f"hour={at:%H}"
