"""Merging the files of a past hour into one, safe against a crash at any point.

The merged file appears whole beside its sources; only then are these removed. In between, its name tells readers that
it covers them (`parquet.without_merged`), so each event is read once. Nothing is removed but what a durable file
covers, so two that merge the same hour lose nothing either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from rtb.events import parquet
from rtb.events.parquet import Part
from rtb.events.schema import SCHEMA
from rtb.events.stream import START
from rtb.store import Store

_ROWS = 100_000
"""Rows of one row group: as many as are in memory at once, and about as many as are read at once later."""


class _Stopped(Exception):
    """The merge was cancelled; nothing was changed."""


def merge_hour(store: Store, folder: str, go_on: Callable[[], bool] = lambda: True) -> list[Part]:
    """Merge the files of an hour into one, and remove the sources that an interrupted merge left.

    Args:
        store: store of the events.
        folder: folder of the hour; nobody writes into it any more, others may read.
        go_on: function called before each file is read; when it returns false, nothing is changed.

    Returns:
        The removed files, whose events are in another one.

    Raises:
        OSError: the store cannot be written, or the disk is full; nothing is lost.
    """
    found = parquet.parts_in(store, folder)
    whole = parquet.without_merged(found)
    if len(whole) > 1:
        try:
            whole = [_merged(store, folder, whole, go_on)]
        except _Stopped:
            return []
    gone = [part for part in found if part not in whole]
    for part in gone:
        store.remove(part.name)
    return gone


def _merged(store: Store, folder: str, whole: Sequence[Part], go_on: Callable[[], bool]) -> Part:
    """Return the durable merged file of several."""
    first, last = whole[0].first, whole[-1].last
    name = f"{folder}/{parquet.file_name(first, last)}"
    with (
        store.writing(name) as file,
        pq.ParquetWriter(file, SCHEMA, compression=parquet.COMPRESSION) as writer,
    ):
        for rows in _row_groups(whole, go_on):
            writer.write_table(rows, row_group_size=_ROWS)
    return Part(whole[0].hour, first, last, store, name)


def _row_groups(whole: Sequence[Part], go_on: Callable[[], bool]) -> Iterator[pa.Table]:
    """Yield the events of the files in order, each once, `_ROWS` at a time or a few more."""
    waiting: list[pa.Table] = []
    position = START
    for part in whole:
        if not go_on():
            raise _Stopped
        for run in part.runs(position):
            position = run.last
            waiting.append(run.table)
            if sum(map(len, waiting)) >= _ROWS:
                yield pa.concat_tables(waiting)
                waiting.clear()
    if waiting:
        yield pa.concat_tables(waiting)
