"""Events in every kind of store: once each, wherever a writer dies, and with a second one elsewhere."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.events import STREAM, EventStream
from rtb.events.parquet import parts, runs
from rtb.events.writer import EventWriter
from rtb.store import FolderStore, Store, StoreAway, open_store
from tests.buckets import Buckets
from tests.conftest import Valkey
from tests.rtb.events.file_book import FileSpendBook
from tests.rtb.events.support import add, charged, expected_ids, ids_in
from tests.rtb.store.conftest import KINDS, make_store
from tests.rtb.store.crashing import Crash, CrashingStore
from tests.support import examples

HOURLY = 900  # events of `add` in an hour


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis(port=valkey.port) as client:
        yield client


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty store of this kind."""
    return make_store(request, tmp_path / "events")


def make_writer(client: redis.Redis, store: Store, host: Path, batch: int = 150) -> EventWriter:
    """Build the writer of a host; hosts share the book, which is a database."""
    host.mkdir(exist_ok=True)
    book = FileSpendBook(host.parent / "_spend.json")
    return EventWriter(EventStream(client), store, book, host / ".writer.lock", batch)


def assert_once(client: redis.Redis, store: Store, folder: Path, count: int) -> None:
    """Check that the files hold each event once, the book each charge once, and the stream nothing."""
    assert ids_in(store) == expected_ids(count)
    book = FileSpendBook(folder / "_spend.json")
    assert book.position() == expected_ids(count)[-1]
    assert {(row.campaign, row.hour): row.micros for row in book.rows()} == charged(count)
    assert client.xlen(STREAM) == 0


def test_events_are_written_merged_and_deleted(client: redis.Redis, store: Store, tmp_path: Path) -> None:
    writer = make_writer(client, store, tmp_path / "host")
    add(client, 0, 2 * HOURLY + 450)
    assert writer.drain() == 2 * HOURLY + 450
    assert len(list(parts(store))) == 15
    assert [writer.merge(), writer.merge(), writer.merge()] == [6, 6, 0]
    assert len(list(parts(store))) == 5
    assert_once(client, store, tmp_path, 2 * HOURLY + 450)
    assert writer.forget(next(parts(store)).hour + 3_600) == 1
    assert ids_in(store) == expected_ids(2 * HOURLY + 450)[HOURLY:]
    writer.close()
    assert make_writer(client, store, tmp_path / "other").drain() == 0


@settings(max_examples=examples(12))
@given(fatal=st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=8), seed=st.integers(0, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_at_any_call_of_a_store_loses_and_doubles_nothing(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    valkey_server: Valkey,
    *,
    kind: str,
    fatal: list[tuple[int, bool]],
    seed: int,
) -> None:
    """Each process writes and merges until it dies at one of its calls; the next is on the same host or another."""
    valkey_server.flush()
    folder, rng, count = tmp_path_factory.mktemp("events"), random.Random(seed), 0
    if kind == "bucket":
        store: Store = request.getfixturevalue("bucket_server").store()
    else:
        store = FolderStore(folder / "events", is_shared=kind == "shared")
    with redis.Redis(port=valkey_server.port) as client:
        for at, is_after in fatal:
            added = rng.randrange(1, HOURLY)
            add(client, count, added)
            count += added
            host = folder / ("host" if kind == "folder" else f"host{rng.randrange(2)}")
            dying = make_writer(client, CrashingStore(store, [at], is_after=is_after), host)
            with contextlib.suppress(Crash):
                dying.drain()
                while dying.merge():
                    pass
            assert ids_in(store) == expected_ids(count)[: len(ids_in(store))], "what a reader sees now"
            dying.close()
        last = make_writer(client, store, folder / "host")
        last.drain()
        while last.merge():
            pass
        assert_once(client, store, folder, count)
        last.close()


def test_a_writer_that_was_only_cut_off_goes_on_beside_its_successor(
    client: redis.Redis, store: Store, tmp_path: Path
) -> None:
    rng, count = random.Random(3), 0
    writers = [make_writer(client, store, tmp_path / f"host{number}", 70 + number) for number in range(3)]
    for _ in range(30):
        add(client, count, 100)
        count += 100
        for _ in range(3):
            rng.choice(writers).drain()
            rng.choice(writers).merge()
            assert ids_in(store) == expected_ids(count)
    for writer in writers:
        writer.drain()
        writer.close()
    assert_once(client, store, tmp_path, count)


_WRITE = """
import sys, redis
from pathlib import Path
from rtb.events import EventStream
from rtb.events.writer import EventWriter
from rtb.store import open_store
from tests.rtb.events.file_book import FileSpendBook
folder = Path(sys.argv[3])
class Book(FileSpendBook):
    # another process may have the file: a database would lock the row
    def record_spend(self, *rows, **told):
        import fcntl
        with (folder / "_lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return super().record_spend(*rows, **told)
stream = EventStream(redis.Redis(port=int(sys.argv[1])))
writer = EventWriter(stream, open_store(sys.argv[2]), Book(folder / "_spend.json"), folder / sys.argv[4], 41)
print("ready", flush=True)
for line in sys.stdin:
    for work in (writer.drain, writer.merge):
        try:
            while work():
                pass
        except FileNotFoundError:  # the other one merges as well: the next call goes on
            pass
    print("done", flush=True)
"""


class _Program:
    """A program that answers lines."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.mark.parametrize("kind", ["shared", "bucket"])
def test_two_processes_write_into_one_store(
    request: pytest.FixtureRequest, valkey: Valkey, client: redis.Redis, tmp_path: Path, kind: str
) -> None:
    url = str(tmp_path / "shared")
    if kind == "bucket":
        buckets: Buckets = request.getfixturevalue("bucket_server")
        url = buckets.url()
    command = [sys.executable, "-c", _WRITE, str(valkey.port), url, str(tmp_path)]
    processes = [_Program([*command, f"lock{number}"]) for number in range(2)]
    try:
        assert [process.said() for process in processes] == ["ready"] * 2
        for number in range(12):
            add(client, number * 200, 200)
            for process in processes:
                process.say("go")
            assert [process.said() for process in processes] == ["done"] * 2
    finally:
        for process in processes:
            process.end()
    assert_once(client, open_store(url), tmp_path, 2_400)


def test_a_store_that_is_away_is_waited_for_and_its_files_are_not_taken_for_damaged(
    client: redis.Redis, tmp_path: Path, bucket_server: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bucket_server.store()
    monkeypatch.setattr("rtb.store.bucket._WHOLE_BYTES", 0)
    writer = make_writer(client, store, tmp_path / "host")
    add(client, 0, 300)
    with monkeypatch.context() as patch:

        def away(*_: object) -> int:
            raise StoreAway("no answer")

        patch.setattr("rtb.store.bucket._Ranges.readinto", away)
        for _ in range(2):
            with pytest.raises(StoreAway):
                writer.drain()
        with pytest.raises(StoreAway):
            list(runs(store))
    assert client.xlen(STREAM) == 300
    assert writer.drain() == 0
    assert writer.faults == {}
    writer.close()
    assert_once(client, store, tmp_path, 300)
