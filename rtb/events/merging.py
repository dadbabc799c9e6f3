"""Making one file of an hour's many, once the hour is over, whatever dies meanwhile.

The merged file is written aside and renamed into its place beside those it is made of; only then are these removed.
In between, its name tells readers that it holds what they hold (`parquet.uncovered`), so each event is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rtb.events import parquet
from rtb.events.parquet import Part
from rtb.events.schema import SCHEMA

_ROWS = 100_000
"""In one row group: as many as are in memory at once, and about as many as are read at once later."""


class _Stopped(Exception):
    """Somebody wants the folder back; nothing was changed."""


def merge_hour(folder: Path, go_on: Callable[[], bool] = lambda: True) -> list[Part]:
    """Make one file of an hour's, and remove what a merge that died left of its files.

    Args:
        folder: of the hour; nobody writes into it any more, others may read.
        go_on: asked before each file is read; when it says no, nothing is changed.

    Returns:
        The files that are gone: their events are in another one.

    Raises:
        OSError: the folder cannot be written, or the disk is full; nothing is lost.
    """
    found = parquet.parts_in(folder)
    whole = parquet.uncovered(found)
    if len(whole) > 1:
        try:
            whole = [_merged(folder, whole, go_on)]
        except _Stopped:
            return []
    gone = [part for part in found if part not in whole]
    for part in gone:
        part.path.unlink(missing_ok=True)
    if gone:
        parquet.sync_folder(folder)
    return gone


def _merged(folder: Path, whole: Sequence[Part], go_on: Callable[[], bool]) -> Part:
    """One file of several: durable, and in its place."""
    first, last = whole[0].first, whole[-1].last
    path = folder / parquet.name_of(first, last)
    with (
        parquet.writing_durably(path) as file,
        pq.ParquetWriter(file, SCHEMA, compression=parquet.COMPRESSION) as writer,
    ):
        for rows in _row_groups(whole, go_on):
            writer.write_table(rows, row_group_size=_ROWS)
    return Part(whole[0].hour, first, last, path)


def _row_groups(whole: Sequence[Part], go_on: Callable[[], bool]) -> Iterator[pa.Table]:
    """All their events in order, `_ROWS` at a time or a few more."""
    waiting: list[pa.Table] = []
    for part in whole:
        if not go_on():
            raise _Stopped
        for run in part.runs():
            waiting.append(run.table)
            if sum(map(len, waiting)) >= _ROWS:
                yield pa.concat_tables(waiting)
                waiting.clear()
    if waiting:
        yield pa.concat_tables(waiting)
