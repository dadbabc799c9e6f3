"""Events in Parquet files, in folders by hour: `date=2026-03-01/hour=09/part-<first id>-<last id>.parquet`.

The hour is that of the event's id in the stream, not of its `at`: ids are in order, so the events of an hour lie
together, every file holds one run of the stream, and the files in order are the stream from its beginning. A file's
name says what is in it, so the files themselves say how far writing came. (`at` is earlier by the time an event was
queued: half a second, or as long as the server was away.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from rtb.events.schema import SCHEMA, to_table
from rtb.events.stream import START, Entry, place

HOUR = 3_600
_LAST_MS = 10**13 - 1
_NAME = re.compile(r"part-(\d+-\d+)-(\d+-\d+)\.parquet")


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

    def read(self) -> pa.Table:
        """Its events."""
        return pq.read_table(self.path, schema=SCHEMA, partitioning=None)


def write_parts(folder: Path, entries: Sequence[Entry]) -> Iterator[Part]:
    """Write a run of the stream, one file an hour; each is durable when it is given out.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    for hour, run in groupby(entries, lambda entry: place(entry.id)[0] // 1_000 // HOUR * HOUR):
        yield _write(folder, hour, list(run))


def parts(folder: Path, after: str = START) -> Iterator[Part]:
    """The files that hold events after a position, in order of the stream."""
    since = place(after)
    for hour_folder in _hour_folders(folder, since[0] / 1_000):
        found = [part for path in hour_folder.iterdir() if (part := _part(path)) is not None]
        yield from sorted((part for part in found if place(part.last) > since), key=lambda part: place(part.first))


def last_written(folder: Path) -> str:
    """Id of the last event that is durable; `START` when none is."""
    for hour_folder in reversed(_hour_folders(folder, 0.0)):
        ids = [part.last for path in hour_folder.iterdir() if (part := _part(path)) is not None]
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
        A table of `SCHEMA`; only folders and row groups that can hold such events are read.
    """
    start, end = (min(max(0, round(moment * 1_000)), _LAST_MS) for moment in (since, until))
    near = parts(folder, f"{max(0, start - 1)}-0")  # what `parts` is told is left out
    paths = [str(part.path) for part in near if part.hour < until]
    if not paths:
        return SCHEMA.empty_table()
    dataset = ds.dataset(paths, schema=SCHEMA, format="parquet")
    # As text: ids have thirteen digits of milliseconds from 2001 to 2286, and "-" sorts before every digit.
    wanted = (pc.field("id") >= f"{start:013d}-") & (pc.field("id") < f"{end:013d}-")
    return dataset.to_table(filter=wanted)


def sync_folder(folder: Path) -> None:
    """Make what was created or renamed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file whole or not at all: aside, onto the disk, and renamed into its place; for one writer at a time."""
    draft = path.with_name(f".{path.name}.draft")  # of one name, so that the next try replaces what a crash left
    with draft.open("wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def _write(folder: Path, hour: int, entries: Sequence[Entry]) -> Part:
    moment = datetime.fromtimestamp(hour, UTC)
    target = folder / f"date={moment:%Y-%m-%d}" / f"hour={moment:%H}"
    _make_folder(target)
    first, last = entries[0].id, entries[-1].id
    buffer = pa.BufferOutputStream()
    pq.write_table(to_table(entries), buffer, compression="zstd")
    path = target / f"part-{first}-{last}.parquet"
    write_durably(path, [memoryview(buffer.getvalue())])
    return Part(hour, first, last, path)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; each is durable in the one above."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def _part(path: Path) -> Part | None:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    first, last = match.groups()
    return Part(place(first)[0] // 1_000 // HOUR * HOUR, first, last, path)


def _hour_folders(folder: Path, since: float) -> list[Path]:
    """Folders of the hours that end after a moment, in order: their names sort by time."""
    moment = datetime.fromtimestamp(since, UTC)
    day, hour = f"date={moment:%Y-%m-%d}", f"hour={moment:%H}"
    days = sorted(path for path in folder.glob("date=*") if path.name >= day)
    return [
        path for parent in days for path in sorted(parent.glob("hour=*")) if (parent.name, path.name) >= (day, hour)
    ]
