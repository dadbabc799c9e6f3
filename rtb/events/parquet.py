"""Events in Parquet files, in folders by hour: `date=2026-03-01/hour=09/part-<first id>-<last id>.parquet`.

The hour is that of the event's id in the stream, not of its `at`: ids are in order, so the events of an hour lie
together, every file holds one run of the stream, and the files in order are the stream from its beginning. A file's
name says what is in it, so the files themselves say how far writing came. (`at` is earlier by the time an event was
queued: half a second, or as long as the server was away.)

The files of an hour that is over become one (`rtb.events.merging`), at any time, also while others read. So whoever
reads does it by `runs` or `read_events`: each event once, whichever files it lies in at that moment.
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
from rtb.events.stream import START, Entry, place
from rtb.runtime.quarantine import RECORD_ERRORS, Fault

HOUR = 3_600
COMPRESSION = "zstd"
_LAST_MS, _LAST_NUMBER = 10**13 - 1, 2**64 - 1
_NAME = re.compile(r"part-(\d+-\d+)-(\d+-\d+)\.parquet")


class UnreadableEvents(OSError):
    """A file of events is damaged, or is none.

    Attributes:
        fault: which, and why.
    """

    def __init__(self, path: Path, error: Exception) -> None:
        self.fault = Fault.of("events", "/".join(path.parts[-3:]), error)
        super().__init__(f"{path} cannot be read, move it away or restore it: {self.fault.reason}")


class Run(NamedTuple):
    """Events of one hour that follow each other in the stream, as many as are read at once.

    Attributes:
        hour: Unix second the hour begins.
        last: id of the last of them.
        table: of `SCHEMA`.
    """

    hour: int
    last: str
    table: pa.Table


class Part(NamedTuple):
    """One file: a run of the stream.

    Attributes:
        hour: Unix second its hour begins.
        first: id of its first event.
        last: id of its last event.
        path: where it is.
    """

    hour: int
    first: str
    last: str
    path: Path

    def runs(self, after: str = START) -> Iterator[Run]:
        """Its events after a position, a row group at a time.

        Raises:
            FileNotFoundError: before the first: it is gone, perhaps into another file.
            UnreadableEvents: the file is damaged.
        """
        try:
            yield from self._runs(place(after))
        except FileNotFoundError:
            raise
        except (OSError, *RECORD_ERRORS) as error:  # Arrow has an error of either kind for damage
            raise UnreadableEvents(self.path, error) from error

    def _runs(self, since: tuple[int, int]) -> Iterator[Run]:
        with pa.OSFile(str(self.path)) as file:
            for group in ds.ParquetFileFormat().make_fragment(file).split_by_row_group():
                known = 0
                if place(self.first) <= since:
                    ids = group.to_table(columns=["id"]).column("id")
                    known = _rows_until(ids, since)
                    if known == len(ids):
                        continue
                table = group.to_table(schema=SCHEMA).slice(known)
                yield Run(self.hour, table.column("id")[-1].as_py(), table)


def write_parts(folder: Path, entries: Sequence[Entry]) -> Iterator[Part]:
    """Write a run of the stream, one file an hour; each is durable when it is given out.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    for hour, run in groupby(entries, lambda entry: place(entry.id)[0] // 1_000 // HOUR * HOUR):
        yield _write(folder, hour, list(run))


def runs(folder: Path, after: str = START, leave_out: Callable[[Fault], None] | None = None) -> Iterator[Run]:
    """The events after a position, in order of the stream, each once; also while files are merged.

    Args:
        folder: of the events.
        after: the position.
        leave_out: told of each damaged file, whose events are passed over; none: they are an error.

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
                if part.path == gone:  # looked for again, and still listed: nobody merged it
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
    """The files that hold events after a position, in order of the stream."""
    since = place(after)
    for hour_folder in hour_folders(folder, since[0] / 1_000):
        yield from (part for part in uncovered(parts_in(hour_folder)) if place(part.last) > since)


def parts_in(hour_folder: Path) -> list[Part]:
    """The files in the folder of an hour.

    It is listed twice: a list made while files are merged can lack some and the merged one, too, but then that was
    there before the second.
    """
    paths = {*hour_folder.iterdir(), *hour_folder.iterdir()}
    return [part for path in sorted(paths) if (part := _part(path)) is not None]


def uncovered(found: Iterable[Part]) -> list[Part]:
    """In order of the stream, and without those whose events another one has: it was made of them."""
    kept: list[Part] = []
    for part in sorted(found, key=lambda part: (place(part.first), [-number for number in place(part.last)])):
        if not kept or place(part.last) > place(kept[-1].last):
            kept.append(part)
    return kept


def last_written(folder: Path) -> str:
    """Id of the last event that is durable; `START` when none is."""
    for hour_folder in reversed(hour_folders(folder, 0.0)):
        ids = [part.last for part in parts_in(hour_folder)]
        if ids:
            return max(ids, key=place)
    return START


def remove_drafts(folder: Path) -> None:
    """Remove what a writer that died left half written; only for who holds the writer's lock."""
    for draft in folder.glob("date=*/hour=*/.part-*"):
        draft.unlink()


def read_events(folder: Path, since: float, until: float) -> pa.Table:
    """The events that came into the stream between two moments, in its order.

    Args:
        folder: of the events.
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
    """A file that comes whole or not at all: aside, onto the disk, and renamed; for one writer at a time."""
    draft = path.with_name(f".{path.name}.draft")  # of one name, so that the next try replaces what a crash left
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except Exception:  # the disk may be full, and the draft a part of that
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)
    sync_folder(path.parent)


def write_durably(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file whole or not at all; for one writer at a time."""
    with writing_durably(path) as file:
        file.writelines(chunks)


def _write(folder: Path, hour: int, entries: Sequence[Entry]) -> Part:
    moment = datetime.fromtimestamp(hour, UTC)
    target = folder / f"date={moment:%Y-%m-%d}" / f"hour={moment:%H}"
    _make_folder(target)
    first, last = entries[0].id, entries[-1].id
    buffer = pa.BufferOutputStream()
    pq.write_table(to_table(entries), buffer, compression=COMPRESSION)
    path = target / name_of(first, last)
    write_durably(path, [memoryview(buffer.getvalue())])
    return Part(hour, first, last, path)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; each is durable in the one above."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def name_of(first: str, last: str) -> str:
    """The name of a file that holds the events from one id to another."""
    return f"part-{first}-{last}.parquet"


def _part(path: Path) -> Part | None:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    first, last = match.groups()
    return Part(place(first)[0] // 1_000 // HOUR * HOUR, first, last, path)


def _rows_until(ids: pa.ChunkedArray, position: tuple[int, int]) -> int:
    """How many of the ids, which are in order, come no later than a position."""
    return bisect_right(range(len(ids)), position, key=lambda row: place(ids[row].as_py()))


def hour_folders(folder: Path, since: float, until: float | None = None) -> list[Path]:
    """Folders of the hours that end after a moment and before the hour of another, in order: names sort by time."""
    first, end = _names(since), ("date=9999",) if until is None else _names(until)
    days = sorted(path for path in folder.glob("date=*") if path.name >= first[0])
    return [path for day in days for path in sorted(day.glob("hour=*")) if first <= (day.name, path.name) < end]


def _names(moment: float) -> tuple[str, ...]:
    """Of a Unix time's folders."""
    at = datetime.fromtimestamp(moment, UTC)
    return f"date={at:%Y-%m-%d}", f"hour={at:%H}"
