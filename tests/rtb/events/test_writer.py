"""From the stream into files: everything once, wherever the writer dies."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import redis

from rtb.events import STREAM, EventStream, StreamError, parquet
from rtb.events.parquet import HOUR, last_written, read_events
from rtb.events.rows import Spend
from rtb.events.schema import SCHEMA
from rtb.events.stream import START
from rtb.events.writer import EventWriter, WriterBusy
from tests.conftest import Valkey
from tests.rtb.events.file_book import FileSpendBook
from tests.rtb.events.support import BASE_MS, add, bid_fields, charge_fields, charged, expected_ids, ids_in_files


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis(port=valkey.port) as client:
        yield client


def make_writer(client: redis.Redis, folder: Path, batch: int = 100) -> EventWriter:
    return EventWriter(EventStream(client), folder, FileSpendBook(folder / "_spend.json"), batch)


def assert_once(client: redis.Redis, folder: Path, count: int) -> None:
    """Check that the files hold each event once, the book each charge once, and the stream nothing."""
    assert ids_in_files(folder) == expected_ids(count)
    book = FileSpendBook(folder / "_spend.json")
    assert book.position() == last_written(folder) == expected_ids(count)[-1]
    assert {(row.campaign, row.hour): row.micros for row in book.rows()} == charged(count)
    assert client.xlen(STREAM) == 0
    assert [path for path in folder.rglob(".*") if path.name not in (".writer.lock", "._spend.json.draft")] == []


def test_events_are_kept_whole_by_hour(client: redis.Redis, tmp_path: Path) -> None:
    add(client, 0, 2_000)
    assert make_writer(client, tmp_path).drain() == 2_000
    assert_once(client, tmp_path, 2_000)
    moment = datetime.fromtimestamp(BASE_MS / 1_000, UTC)
    folders = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("part-*"))
    assert folders[0] == f"date={moment:%Y-%m-%d}/hour={moment:%H}"
    assert len(set(folders)) == 3
    table = read_events(tmp_path, BASE_MS / 1_000, BASE_MS / 1_000 + 5)
    assert table.schema == SCHEMA
    bid, bill = table.to_pylist()
    assert bid == dict.fromkeys(SCHEMA.names) | {
        "id": f"{BASE_MS}-0",
        "kind": "bid",
        "bid": "7-0",
        "campaign": 1,
        "at": moment,
        "price_micros": 0,
        "request": "request 0",
        "creative": "c/1",
        "features": [0, -1],
        "pctr": 0.25,
        "multiplier": 1.5,
        "floor_micros": 10,
    }
    assert (bill["kind"], bill["outcome"], bill["campaign"], bill["price_micros"]) == ("bill", "settled", 2, 1)
    assert bill["min_to_win_micros"] is None


@pytest.mark.parametrize(("since", "until"), [(0, 1), (10, 3_599), (3_596, 3_604), (3_600, 7_200), (0, 10**6), (5, 5)])
def test_a_reader_gets_what_came_between_two_moments(
    client: redis.Redis, tmp_path: Path, since: int, until: int
) -> None:
    add(client, 0, 2_000)
    make_writer(client, tmp_path, batch=333).drain()
    start = BASE_MS // 1_000
    found = read_events(tmp_path, start + since, start + until).column("id").to_pylist()
    assert found == [id for number, id in enumerate(expected_ids(2_000)) if since <= number * 4 < until]


def test_a_reader_of_no_files_gets_an_empty_table(tmp_path: Path) -> None:
    assert read_events(tmp_path / "none", 0, 10**10).num_rows == 0


class Crash(BaseException):
    """The process is gone."""


POINTS: list[tuple[Any, str]] = [
    (parquet, "write_durably"),
    (os, "fsync"),
    (Path, "replace"),
    (parquet, "sync_folder"),
    (FileSpendBook, "record_spend"),
    (FileSpendBook, "position"),
    (EventStream, "trim"),
    (EventStream, "read"),
    (parquet, "remove_drafts"),
]


def crash_at(real: Callable[..., Any], calls_left: list[int], *, after: bool) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        calls_left[0] -= 1
        if calls_left[0] == 0 and not after:
            raise Crash
        answer = real(*args, **options)
        if calls_left[0] == 0:
            raise Crash
        return answer

    return call


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), POINTS, ids=[name for _, name in POINTS])
def test_a_crash_at_any_step_loses_and_doubles_nothing(
    client: redis.Redis, tmp_path: Path, owner: Any, name: str, after: bool
) -> None:
    for round_ in range(12):  # dies at the first, second, ... of these calls, and more events come each time
        add(client, round_ * 100, 100)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, crash_at(getattr(owner, name), [round_ % 4 + 1], after=after))
            dying = make_writer(client, tmp_path, batch=37)
            with contextlib.suppress(Crash):
                dying.drain()
            dying.close()
    make_writer(client, tmp_path, batch=37).drain()
    assert_once(client, tmp_path, 1_200)


_WRITE_FOR_EVER = """
import sys, redis
from pathlib import Path
from rtb.events import EventStream
from tests.rtb.events.file_book import FileSpendBook
from rtb.events.writer import EventWriter
folder = Path(sys.argv[2])
writer = EventWriter(EventStream(redis.Redis(port=int(sys.argv[1]))), folder, FileSpendBook(folder / "_spend.json"), 23)
print("ready", flush=True)
while True:
    writer.drain()
"""


def test_a_writer_killed_at_random_loses_and_doubles_nothing(
    valkey: Valkey, client: redis.Redis, tmp_path: Path
) -> None:
    rng, count = random.Random(5), 0
    for _ in range(6):
        add(client, count, 200)
        count += 200
        command = [sys.executable, "-c", _WRITE_FOR_EVER, str(valkey.port), str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for _ in range(rng.randrange(8)):
            add(client, count, 50)
            count += 50
        time.sleep(rng.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    make_writer(client, tmp_path).drain()
    assert_once(client, tmp_path, count)


def test_only_one_writer_has_the_folder(client: redis.Redis, tmp_path: Path) -> None:
    add(client, 0, 10)
    first, second = make_writer(client, tmp_path), make_writer(client, tmp_path)
    assert first.drain() == 10
    with pytest.raises(WriterBusy, match="another process"):
        second.drain()
    first.close()
    assert second.drain() == 0


def test_nothing_is_trimmed_that_the_book_has_not_got(client: redis.Redis, tmp_path: Path) -> None:
    class Away(FileSpendBook):
        def record_spend(self, rows: Any, position: str, moves: Any = ()) -> None:
            raise OSError("unavailable")

    add(client, 0, 50)
    broken = EventWriter(EventStream(client), tmp_path, Away(tmp_path / "_spend.json"))
    for _ in range(2):
        with pytest.raises(OSError, match="unavailable"):
            broken.drain()
    assert client.xlen(STREAM) == 50
    broken.close()
    make_writer(client, tmp_path).drain()
    assert_once(client, tmp_path, 50)


def test_a_book_that_was_lost_is_made_again_from_the_files(client: redis.Redis, tmp_path: Path) -> None:
    add(client, 0, 1_000)
    first = make_writer(client, tmp_path)
    first.drain()
    first.close()
    (tmp_path / "_spend.json").unlink()
    make_writer(client, tmp_path).drain()
    assert_once(client, tmp_path, 1_000)


def test_a_stream_older_than_its_files_is_not_touched(client: redis.Redis, tmp_path: Path) -> None:
    add(client, 0, 100)
    writing = make_writer(client, tmp_path)
    writing.drain()
    client.flushall()
    assert writing.drain() == 0  # gone altogether: new events will have later ids, the clock goes on
    client.xadd(STREAM, charge_fields(1, 1.0), id="5-0")
    with pytest.raises(StreamError, match="rebuild_ledger"):
        writing.drain()
    assert client.xlen(STREAM) == 1
    writing.resume()
    milliseconds, number = expected_ids(100)[-1].split("-")
    rows: Any = client.xrange(STREAM)
    assert [id.decode() for id, _ in rows] == [f"{milliseconds}-{int(number) + 1}"]
    add(client, 100, 10)
    assert writing.drain() == 11
    assert len(set(ids_in_files(tmp_path))) == 111


def test_a_stream_that_was_lost_goes_on_after_its_files(client: redis.Redis, tmp_path: Path) -> None:
    add(client, 0, 100)
    writing = make_writer(client, tmp_path)
    writing.drain()
    client.flushall()
    writing.resume()
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        add(client, 50, 1)
    add(client, 100, 10)
    assert writing.drain() == 10
    assert_once(client, tmp_path, 110)


def test_continuing_after_nothing_or_the_past_changes_nothing(client: redis.Redis) -> None:
    stream = EventStream(client)
    stream.continue_after(START, lambda rows: [False] * len(rows))
    assert not client.exists(STREAM)
    add(client, 0, 3)
    stream.continue_after(expected_ids(1)[0], lambda rows: [False] * len(rows))
    assert client.xlen(STREAM) == 3


def test_a_bid_that_cannot_be_read_does_not_stop_the_money_behind_it(client: redis.Redis, tmp_path: Path) -> None:
    client.xadd(STREAM, bid_fields(1, 1.0) | {"data": b'{"of": "another version"}'}, id=f"{BASE_MS}-0")
    client.xadd(STREAM, charge_fields(2, 1.0), id=f"{BASE_MS}-1")
    make_writer(client, tmp_path).drain()
    bid, bill = read_events(tmp_path, 0, BASE_MS).to_pylist()
    assert (bid["kind"], bid["bid"], bid["campaign"]) == ("bid", "7-1", None)
    assert bill["price_micros"] == 2


def test_files_can_be_read_by_others(client: redis.Redis, tmp_path: Path) -> None:
    add(client, 0, 1_000)
    writing = make_writer(client, tmp_path)
    writing.drain()
    table = pq.read_table(tmp_path)
    assert table.num_rows == 1_000
    assert {"date", "hour"} <= set(table.schema.names)


def test_a_book_takes_a_position_once(tmp_path: Path) -> None:
    book = FileSpendBook(tmp_path / "_spend.json")
    assert book.position() == START
    row = Spend(1, HOUR, 2, 300, 1, 0, 1)
    book.record_spend([row], "5-0")
    book.record_spend([row], "5-0")
    book.record_spend([row], "4-7")
    assert (book.position(), book.rows()) == ("5-0", [row])
    book.record_spend([row, row._replace(campaign=2)], "10-0")
    assert book.rows() == [Spend(1, HOUR, 4, 600, 2, 0, 2), row._replace(campaign=2)]


def test_a_damaged_file_is_passed_over_and_all_others_are_accounted_and_merged(
    client: redis.Redis, tmp_path: Path
) -> None:
    writer = make_writer(client, tmp_path, batch=200)
    add(client, 0, 200)
    writer.drain()
    (damaged,) = tmp_path.rglob("part-*")
    damaged.write_bytes(b"PAR1 no more")
    (tmp_path / "_spend.json").unlink()  # a book that is behind the files reads them again
    writer.close()

    writer = make_writer(client, tmp_path, batch=200)
    add(client, 200, 1_800)
    writer.drain()
    assert [fault.kind for fault in writer.faults.values()] == ["events"]
    assert damaged.name in next(iter(writer.faults))
    lost = charged(200)
    assert {(row.campaign, row.hour): row.micros for row in FileSpendBook(tmp_path / "_spend.json").rows()} == {
        key: micros - lost.get(key, 0) for key, micros in charged(2_000).items()
    }
    while writer.merge():
        pass
    hours = [len([*folder.glob("part-*")]) for folder in sorted(tmp_path.glob("date=*/hour=*"))]
    assert hours[1] == 1  # that of the damaged file stays as it is, the next one is merged
    assert damaged.exists()
    with pytest.raises(parquet.UnreadableEvents):
        [*parquet.runs(tmp_path)]
    left_out: list[str] = []
    kept = sum(len(run.table) for run in parquet.runs(tmp_path, leave_out=lambda fault: left_out.append(fault.name)))
    assert kept == 1_800
    assert len(left_out) == 1
