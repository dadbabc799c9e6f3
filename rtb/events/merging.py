"""Merging the files of a past hour into one, safe against a crash at any point.

The merged file is written aside and renamed into place beside its sources; only then are these removed. In between, its
name tells readers that it covers them (`parquet.without_merged`), so each event is read once.
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
"""Rows of one row group: as many as are in memory at once, and about as many as are read at once later."""


class _Stopped(Exception):
    """The merge was cancelled; nothing was changed."""


def merge_hour(folder: Path, go_on: Callable[[], bool] = lambda: True) -> list[Part]:
    """Merge the files of an hour into one, and remove the sources that an interrupted merge left.

    Args:
        folder: folder of the hour; nobody writes into it any more, others may read.
        go_on: function called before each file is read; when it returns false, nothing is changed.

    Returns:
        The removed files, whose events are in another one.

    Raises:
        OSError: the folder cannot be written, or the disk is full; nothing is lost.
    """
    found = parquet.parts_in(folder)
    whole = parquet.without_merged(found)
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
    """Return the durable merged file of several."""
    first, last = whole[0].first, whole[-1].last
    path = folder / parquet.file_name(first, last)
    with (
        parquet.writing_durably(path) as file,
        pq.ParquetWriter(file, SCHEMA, compression=parquet.COMPRESSION) as writer,
    ):
        for rows in _row_groups(whole, go_on):
            writer.write_table(rows, row_group_size=_ROWS)
    return Part(whole[0].hour, first, last, path)


def _row_groups(whole: Sequence[Part], go_on: Callable[[], bool]) -> Iterator[pa.Table]:
    """Yield the events of the files in order, `_ROWS` at a time or a few more."""
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
