"""Hours that are over become one file each: every event stays there once, for all readers, wherever it dies."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import redis

from rtb.events import STREAM, merging, parquet
from rtb.events.merging import merge_hour
from rtb.events.parquet import parts, read_events, runs
from rtb.events.schema import SCHEMA
from rtb.events.writer import EventWriter, WriterBusy
from rtb.store import FolderStore
from rtb.store import folder as folder_store
from tests.conftest import Valkey
from tests.rtb.events.file_book import FileSpendBook
from tests.rtb.events.support import BASE_MS, add, charged, expected_ids, ids_in_files
from tests.rtb.events.test_writer import Crash, assert_once, crash_at, make_writer

HOURLY = 900  # events of `add` in an hour


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis(port=valkey.port) as client:
        yield client


@pytest.fixture
def folder(client: redis.Redis, tmp_path: Path) -> Path:
    """Two hours that are over and half a third one, in many files."""
    fill(client, tmp_path, 0, 2 * HOURLY + 450)
    return tmp_path


def fill(client: redis.Redis, folder: Path, first: int, count: int, batch: int = 150) -> None:
    """Write events into files; the writer goes away again."""
    add(client, first, count)
    writing = make_writer(client, folder, batch)
    writing.drain()
    writing.close()


def in_store(hour: Path) -> tuple[FolderStore, str]:
    """Return the store that the folder of an hour is in, and its name there."""
    return FolderStore(hour.parents[1]), f"{hour.parent.name}/{hour.name}"


def files(folder: Path) -> list[int]:
    """How many there are in each hour."""
    return [len(list(hour.glob("part-*"))) for hour in sorted(folder.glob("date=*/hour=*"))]


def merge_all(writing: EventWriter) -> list[int]:
    """Merge until there is nothing left to; files gone each time."""
    writing.drain()
    gone = []
    while count := writing.merge():
        gone.append(count)
    return gone


def test_each_hour_that_is_over_becomes_one_file_and_no_other(client: redis.Redis, folder: Path) -> None:
    assert files(folder) == [6, 6, 3]
    before = pq.read_table(folder, schema=SCHEMA).sort_by("at").to_pylist()
    writing = make_writer(client, folder)
    assert merge_all(writing) == [6, 6]
    assert files(folder) == [1, 1, 3]
    assert writing.merge() == 0
    assert_once(client, folder, 2 * HOURLY + 450)
    assert read_events(FolderStore(folder), 0, 10**10).to_pylist() == before
    assert (
        next(part.name for part in parts(FolderStore(folder))).rpartition("/")[2]
        == f"part-{BASE_MS}-0-{BASE_MS + 899 * 4_000}-1.parquet"
    )
    assert len(pd.read_parquet(folder)) == 2 * HOURLY + 450
    add(client, 2 * HOURLY + 450, HOURLY)
    assert merge_all(writing) == [8]  # three of before, and five that the last drain wrote
    assert files(folder)[:3] == [1, 1, 1]


def test_nothing_is_merged_before_the_stream_was_drained(client: redis.Redis, folder: Path) -> None:
    writing = make_writer(client, folder)
    assert writing.merge() == 0
    assert files(folder) == [6, 6, 3]


def test_many_events_are_merged_a_part_at_a_time(
    client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "_ROWS", 120)
    merge_all(make_writer(client, folder))
    merged = folder / next(parts(FolderStore(folder))).name
    metadata = pq.read_metadata(merged)
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    assert sum(sizes) == HOURLY
    assert max(sizes) <= 120
    assert [len(run.table) for run in runs(FolderStore(folder))][: len(sizes)] == sizes
    assert_once(client, folder, 2 * HOURLY + 450)


@pytest.mark.parametrize("groups", [70, 100_000])
def test_a_reader_goes_on_within_a_merged_file(
    client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch, groups: int
) -> None:
    monkeypatch.setattr(merging, "_ROWS", groups)
    merge_all(make_writer(client, folder))
    ids = expected_ids(2 * HOURLY + 450)
    for after in (0, 1, 69, 70, 71, 449, 899, 900, 1_000, 2_249):
        found = list(runs(FolderStore(folder), ids[after]))
        assert [id for run in found for id in run.table.column("id").to_pylist()] == ids[after + 1 :]
        assert [run.last for run in found][-1:] == ids[after + 1 :][-1:]
        since = BASE_MS / 1_000 + after * 4
        assert read_events(FolderStore(folder), since, since + 40).column("id").to_pylist() == ids[after : after + 10]


def test_a_reader_that_listed_the_files_reads_on_when_they_are_merged(client: redis.Redis, folder: Path) -> None:
    writing = make_writer(client, folder)
    reading = runs(FolderStore(folder))
    got = [next(reading) for _ in range(5)]
    assert merge_all(writing) == [6, 6]
    got += list(reading)
    assert [id for run in got for id in run.table.column("id").to_pylist()] == expected_ids(2 * HOURLY + 450)


def test_a_file_that_is_lost_rather_than_merged_is_an_error(folder: Path) -> None:
    lost = folder / list(parts(FolderStore(folder)))[3].name
    reading = runs(FolderStore(folder))
    next(reading)
    lost.unlink()
    lost.symlink_to(folder / "nowhere")
    with pytest.raises(FileNotFoundError):
        list(reading)


def test_a_list_of_files_made_while_they_are_merged_lacks_none(
    client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder may be listed so slowly that the merged file is not in it yet and the first of its parts no more."""
    hour = min(folder.glob("date=*/hour=*"))
    real = Path.iterdir
    listings: list[list[Path]] = []

    def slow(path: Path) -> Iterator[Path]:
        listed = sorted(real(path))
        if path == hour and not listings:
            listings.append(listed)
            with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Crash):
                patch.setattr(Path, "unlink", crash_at(Path.unlink, [2], after=True))
                merge_hour(*in_store(hour))  # as far as its second part
            listed = listed[2:]
        return iter(listed)

    monkeypatch.setattr(Path, "iterdir", slow)
    assert ids_in_files(folder) == expected_ids(2 * HOURLY + 450)
    assert len(listings[0]) == 6
    assert files(folder) == [5, 6, 3]


def test_files_whose_events_another_has_are_not_listed(
    client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour, store = min(folder.glob("date=*/hour=*")), FolderStore(folder)
    apart = list(parts(store))
    with monkeypatch.context() as patch, contextlib.suppress(Crash):
        patch.setattr(Path, "unlink", crash_at(Path.unlink, [1], after=False))
        merge_hour(store, in_store(hour)[1])
    merged, *others = parts(store)
    assert (merged.first, merged.last, others) == (apart[0].first, apart[5].last, apart[6:])
    assert list(parts(store, apart[2].last)) == [merged, *others]
    assert list(parts(store, apart[5].last)) == others
    assert len(merge_hour(store, in_store(hour)[1])) == 6
    assert list(parts(store)) == [merged, *others]


def test_readers_at_the_same_time_see_each_event_once(client: redis.Redis, tmp_path: Path) -> None:
    hours = 5
    fill(client, tmp_path, 0, hours * HOURLY + 1, batch=30)
    expected = expected_ids(hours * HOURLY + 1)
    start, wrong, reads, done = BASE_MS / 1_000, [], [0], threading.Event()

    def read() -> None:
        while not done.is_set():
            whole = ids_in_files(tmp_path)
            span = read_events(FolderStore(tmp_path), start + 3_000, start + 18_000).column("id").to_pylist()
            if whole != expected or span != expected[750:4_500]:
                wrong.append((len(whole), len(span)))
            reads[0] += 1

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        assert merge_all(make_writer(client, tmp_path)) == [30] * hours
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert reads[0] > 0
    assert_once(client, tmp_path, hours * HOURLY + 1)


POINTS: list[tuple[Any, str]] = [
    (os, "fsync"),
    (Path, "replace"),
    (folder_store, "_sync_folder"),
    (Path, "unlink"),
    (parquet, "parts_in"),
    (pq.ParquetWriter, "write_table"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), POINTS, ids=[name for _, name in POINTS])
def test_a_crash_at_any_step_of_a_merge_loses_and_doubles_nothing(
    client: redis.Redis, tmp_path: Path, owner: Any, name: str, after: bool
) -> None:
    count = 0
    for round_ in range(6):  # dies at the first, second, ... of these calls, and another hour comes each time
        fill(client, tmp_path, count, HOURLY)
        count += HOURLY
        dying = make_writer(client, tmp_path)
        dying.drain()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(merging, "_ROWS", 200)
            patch.setattr(owner, name, crash_at(getattr(owner, name), [round_ % 5 + 1], after=after))
            with contextlib.suppress(Crash):
                while dying.merge():
                    pass
        assert ids_in_files(tmp_path) == expected_ids(count)  # a reader of that moment
        assert len(read_events(FolderStore(tmp_path), 0, 10**10)) == count
        dying.close()
    assert sum(files(tmp_path)[:-1]) > 5 or (owner, name) == (parquet, "parts_in")
    merge_all(make_writer(client, tmp_path))
    assert files(tmp_path)[:-1] == [1] * 5
    assert_once(client, tmp_path, count)


_MERGE_FOR_EVER = """
import sys, time, redis
from pathlib import Path
from rtb.events import EventStream, merging
from tests.rtb.events.file_book import FileSpendBook
from rtb.events.writer import EventWriter
from rtb.store import FolderStore
merging._ROWS = 100
unlink = Path.unlink
def slowly(path, **options):
    time.sleep(0.02)
    unlink(path, **options)
Path.unlink = slowly
folder = Path(sys.argv[2])
stream, book = EventStream(redis.Redis(port=int(sys.argv[1]))), FileSpendBook(folder / "_spend.json")
writer = EventWriter(stream, FolderStore(folder), book, folder / ".writer.lock", 23)
print("ready", flush=True)
while True:
    writer.drain()
    print(writer.merge(), flush=True)
"""


def test_a_merge_killed_at_random_loses_and_doubles_nothing(
    valkey: Valkey, client: redis.Redis, tmp_path: Path
) -> None:
    rng, count = random.Random(7), 0
    for _ in range(6):
        fill(client, tmp_path, count, HOURLY, batch=90)
        count += HOURLY
        command = [sys.executable, "-c", _MERGE_FOR_EVER, str(valkey.port), str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(rng.random() * 0.4)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert ids_in_files(tmp_path) == expected_ids(count)
    merge_all(make_writer(client, tmp_path))
    assert files(tmp_path)[:-1] == [1] * 5
    assert_once(client, tmp_path, count)


@pytest.mark.parametrize("known", [0, 50, 777, 900])
def test_a_book_that_is_behind_is_completed_from_merged_files(client: redis.Redis, folder: Path, known: int) -> None:
    """As when an old backup of it was put back: it has the events up to some place within a merged file."""
    merge_all(writing := make_writer(client, folder))
    writing.close()
    client.delete(STREAM)
    fill(client, folder / "old", 0, known, batch=1_000)
    (folder / "_spend.json").unlink()
    if known:
        (folder / "old" / "_spend.json").rename(folder / "_spend.json")
    client.delete(STREAM)
    make_writer(client, folder).drain()
    book = FileSpendBook(folder / "_spend.json")
    assert {(row.campaign, row.hour): row.micros for row in book.rows()} == charged(2 * HOURLY + 450)


def test_a_full_disk_leaves_the_files_as_they_were(
    client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = make_writer(client, folder)
    writing.drain()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", full)
        with pytest.raises(OSError, match="No space"):
            writing.merge()
    assert files(folder) == [6, 6, 3]
    assert list(folder.glob("date=*/hour=*/.*")) == []
    assert writing.merge() == 6


def test_a_writer_that_is_closed_gives_a_merge_up(
    client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, real = make_writer(client, folder), parquet.Part.runs
    writing.drain()
    reading, closing = threading.Event(), threading.Event()

    def slow(part: parquet.Part, *after: str) -> Iterator[parquet.EventRun]:
        reading.set()
        assert closing.wait(20)
        return real(part, *after)

    monkeypatch.setattr(parquet.Part, "runs", slow)
    merged: list[int] = []
    merger = threading.Thread(target=lambda: merged.append(writing.merge()))
    merger.start()
    assert reading.wait(20)
    closer = threading.Thread(target=writing.close)
    closer.start()
    while not writing._closing.is_set():
        time.sleep(0.01)
    closing.set()
    merger.join()
    closer.join()
    assert merged == [0]
    assert files(folder) == [6, 6, 3]
    assert list(folder.glob("date=*/hour=*/.*")) == []
    other = make_writer(client, folder)  # the folder is free
    assert merge_all(other) == [6, 6]
    with pytest.raises(WriterBusy):
        writing.merge()


def test_events_are_written_while_an_hour_is_merged(
    client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, real = make_writer(client, folder), parquet.Part.runs
    writing.drain()
    more = iter([10])

    def slow(part: parquet.Part, *after: str) -> Iterator[parquet.EventRun]:
        for count in more:
            add(client, 2 * HOURLY + 450, count)
            assert writing.drain() == count
        return real(part, *after)

    monkeypatch.setattr(parquet.Part, "runs", slow)
    assert writing.merge() == 6
    assert next(more, None) is None
    assert_once(client, folder, 2 * HOURLY + 460)


def test_columns_that_older_files_lack_are_empty(tmp_path: Path, client: redis.Redis) -> None:
    fill(client, tmp_path, 0, 1_000)
    for part in list(parts(FolderStore(tmp_path)))[:3]:
        path = tmp_path / part.name
        pq.write_table(pq.read_table(path, partitioning=None).drop(["floor_micros"]), path)
    merge_all(make_writer(client, tmp_path))
    table = read_events(FolderStore(tmp_path), 0, 10**10)
    assert table.schema == SCHEMA
    assert table.column("floor_micros").null_count > 150
    assert ids_in_files(tmp_path) == expected_ids(1_000)


def test_old_hours_are_deleted_once_the_book_has_them(client: redis.Redis, folder: Path) -> None:
    third = BASE_MS / 1_000 + 2 * 3_600
    writing = make_writer(client, folder, 150)
    assert writing.forget(third + 10) == 12
    assert files(folder) == [3]
    assert writing.forget(third + 10) == 0
    add(client, 2 * HOURLY + 450, 150)
    assert writing.drain() == 150  # it goes on after what is gone
    assert ids_in_files(folder) == expected_ids(2 * HOURLY + 600)[2 * HOURLY :]
    rows = FileSpendBook(folder / "_spend.json").rows()
    assert {(row.campaign, row.hour): row.micros for row in rows} == charged(2 * HOURLY + 600)
    writing.close()


def test_what_the_book_lacks_is_not_deleted(client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = make_writer(client, folder, 150)
    second = f"{BASE_MS + 3_600_000}-0"
    monkeypatch.setattr(writing._book, "position", lambda: second)
    assert writing.forget(BASE_MS / 1_000 + 10 * 3_600) == 6
    assert files(folder) == [6, 3]
    writing.close()
