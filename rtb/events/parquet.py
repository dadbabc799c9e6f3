"""Events in Parquet files, in folders by hour: `date=2026-03-01/hour=09/part-<first id>-<last id>.parquet`.

The hour is that of the event's id in the stream, not of its `at`: ids are in order, so the events of an hour are
adjacent, every file holds one run of the stream, and the files in order are the stream from its beginning. File names
contain the ids, so the files themselves show how far writing came. (`at` is earlier by the time an event was queued:
half a second, or as long as the server was unavailable.)

The files of a past hour are merged into one (`rtb.events.merging`), possibly while others read. So readers use `runs`
or `read_events`, which yield each event once, whichever file holds it at that moment.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from rtb.events.schema import SCHEMA, to_table
from rtb.events.stream import START, StreamEntry, id_order
from rtb.runtime.quarantine import RECORD_ERRORS, Fault

HOUR = 3_600
COMPRESSION = "zstd"
_LAST_MS, _LAST_NUMBER = 10**13 - 1, 2**64 - 1
_NAME = re.compile(r"part-(\d+-\d+)-(\d+-\d+)\.parquet")


class UnreadableEvents(OSError):
    """A damaged or foreign file among the events.

    Attributes:
        fault: which file, and why it cannot be read.
    """

    def __init__(self, path: Path, error: Exception) -> None:
        self.fault = Fault.of("events", "/".join(path.parts[-3:]), error)
        super().__init__(f"{path} cannot be read, move it away or restore it: {self.fault.reason}")


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
        path: path of the file.
    """

    hour: int
    first: str
    last: str
    path: Path

    def runs(self, after: str = START) -> Iterator[EventRun]:
        """Yield its events after a position, a row group at a time.

        Raises:
            FileNotFoundError: before the first run: the file is gone, perhaps merged into another one.
            UnreadableEvents: the file is damaged.
        """
        try:
            yield from self._runs(id_order(after))
        except FileNotFoundError:
            raise
        except (OSError, *RECORD_ERRORS) as error:  # Arrow raises either kind for damage
            raise UnreadableEvents(self.path, error) from error

    def _runs(self, since: tuple[int, int]) -> Iterator[EventRun]:
        with pa.OSFile(str(self.path)) as file:
            for group in ds.ParquetFileFormat().make_fragment(file).split_by_row_group():
                known = 0
                if id_order(self.first) <= since:
                    ids = group.to_table(columns=["id"]).column("id")
                    known = _rows_until(ids, since)
                    if known == len(ids):
                        continue
                table = group.to_table(schema=SCHEMA).slice(known)
                yield EventRun(self.hour, table.column("id")[-1].as_py(), table)


def write_parts(folder: Path, entries: Sequence[StreamEntry]) -> Iterator[Part]:
    """Write a run of the stream, one file per hour; each is durable when it is yielded.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    for hour, run in groupby(entries, lambda entry: id_order(entry.id)[0] // 1_000 // HOUR * HOUR):
        yield _write(folder, hour, list(run))


def runs(folder: Path, after: str = START, leave_out: Callable[[Fault], None] | None = None) -> Iterator[EventRun]:
    """Yield the events after a position, in order of the stream, each once, even while files are merged.

    Args:
        folder: folder of the events.
        after: the position.
        leave_out: callback for each damaged file, whose events are skipped; none: damage is an error.

    Raises:
        OSError: the folder cannot be read.
        UnreadableEvents: a file is damaged.
    """
    position, gone = after, None
    while True:
        for part in parts(folder, position):
            try:
                for run in part.runs(position):
                    position = run.last
                    yield run
            except FileNotFoundError:
                if part.path == gone:  # still listed after a retry: it was not merged
                    raise
                gone = part.path
                break
            except UnreadableEvents as error:
                if leave_out is None:
                    raise
                leave_out(error.fault)
                position = part.last
        else:
            return


def parts(folder: Path, after: str = START) -> Iterator[Part]:
    """Yield the files that hold events after a position, in order of the stream."""
    since = id_order(after)
    for hour_folder in hour_folders(folder, since[0] / 1_000):
        yield from (part for part in without_merged(parts_in(hour_folder)) if id_order(part.last) > since)


def parts_in(hour_folder: Path) -> list[Part]:
    """Return the files in the folder of an hour.

    The folder is listed twice: a listing made during a merge can lack some sources and the merged file as well, but
    then that file exists before the second listing.
    """
    paths = {*hour_folder.iterdir(), *hour_folder.iterdir()}
    return [part for path in sorted(paths) if (part := _part(path)) is not None]


def without_merged(found: Iterable[Part]) -> list[Part]:
    """Return files in order of the stream, without those already merged into another one."""
    kept: list[Part] = []
    for part in sorted(found, key=lambda part: (id_order(part.first), [-number for number in id_order(part.last)])):
        if not kept or id_order(part.last) > id_order(kept[-1].last):
            kept.append(part)
    return kept


def last_written(folder: Path) -> str:
    """Return the id of the last durable event; `START` where there is none."""
    for hour_folder in reversed(hour_folders(folder, 0.0)):
        ids = [part.last for part in parts_in(hour_folder)]
        if ids:
            return max(ids, key=id_order)
    return START


def remove_drafts(folder: Path) -> None:
    """Remove half-written files of a crashed writer; only for the holder of the writer's lock."""
    for draft in folder.glob("date=*/hour=*/.part-*"):
        draft.unlink()


def read_events(folder: Path, since: float, until: float) -> pa.Table:
    """Return the events that entered the stream between two moments, in order.

    Args:
        folder: folder of the events.
        since: Unix time, included.
        until: Unix time, left out.

    Returns:
        A table of `SCHEMA`; only files that can hold such events are read. What it raises `runs` says.
    """
    start, end = (min(max(0, round(moment * 1_000)), _LAST_MS) for moment in (since, until))
    found = [SCHEMA.empty_table()]
    for run in runs(folder, f"{start - 1}-{_LAST_NUMBER}" if start else START):
        if run.hour >= until:
            break
        found.append(run.table.slice(0, _rows_until(run.table.column("id"), (end - 1, _LAST_NUMBER))))
    return pa.concat_tables(found)


def sync_folder(folder: Path) -> None:
    """Make what was created or renamed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing_durably(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that appears whole or not at all: written aside, synced and renamed; for one writer at a time."""
    draft = path.with_name(f".{path.name}.draft")  # a fixed name, so that the next try overwrites what a crash left
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except Exception:  # where the disk is full, the draft must not stay
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)
    sync_folder(path.parent)


def write_durably(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file whole or not at all; for one writer at a time."""
    with writing_durably(path) as file:
        file.writelines(chunks)


def _write(folder: Path, hour: int, entries: Sequence[StreamEntry]) -> Part:
    moment = datetime.fromtimestamp(hour, UTC)
    target = folder / f"date={moment:%Y-%m-%d}" / f"hour={moment:%H}"
    _make_folder(target)
    first, last = entries[0].id, entries[-1].id
    buffer = pa.BufferOutputStream()
    pq.write_table(to_table(entries), buffer, compression=COMPRESSION)
    path = target / file_name(first, last)
    write_durably(path, [memoryview(buffer.getvalue())])
    return Part(hour, first, last, path)


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents, each durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def file_name(first: str, last: str) -> str:
    """Return the name of a file that holds the events from one id to another."""
    return f"part-{first}-{last}.parquet"


def _part(path: Path) -> Part | None:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    first, last = match.groups()
    return Part(id_order(first)[0] // 1_000 // HOUR * HOUR, first, last, path)


def _rows_until(ids: pa.ChunkedArray, position: tuple[int, int]) -> int:
    """Return how many of the ordered ids are not after a position."""
    return bisect_right(range(len(ids)), position, key=lambda row: id_order(ids[row].as_py()))


def hour_folders(folder: Path, since: float, until: float | None = None) -> list[Path]:
    """Return the folders of hours that end after `since` and begin before the hour of `until`, in order of time."""
    first, end = _names(since), ("date=9999",) if until is None else _names(until)
    days = sorted(path for path in folder.glob("date=*") if path.name >= first[0])
    return [path for day in days for path in sorted(day.glob("hour=*")) if first <= (day.name, path.name) < end]


def _names(moment: float) -> tuple[str, ...]:
    """Return the folder names of a Unix time."""
    at = datetime.fromtimestamp(moment, UTC)
    return f"date={at:%Y-%m-%d}", f"hour={at:%H}"
