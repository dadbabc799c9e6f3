"""Decisions are explained from the archive when their Controller's host is lost, and kept no longer than elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.explain.archive import DecisionArchive
from rtb.explain.reader import DecisionReader, NotKept
from rtb.explain.store import DecisionStore
from rtb.store import FolderStore, Store
from tests.rtb.explain.parcels import parcel
from tests.rtb.store.conftest import KINDS, make_store
from tests.rtb.store.crashing import Crash, CrashingStore
from tests.support import examples

HOUR = 3_600.0


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty store of this kind."""
    return make_store(request, tmp_path / "archive")


class Host:
    """A host's file of decisions, with the archive."""

    def __init__(self, folder: Path, store: Store, most_bytes: int = 1 << 20) -> None:
        self.path = folder / "decisions.sqlite"
        self.decisions = DecisionStore(self.path, seconds=HOUR, most_bytes=most_bytes)
        self.archive = DecisionArchive(store, self.decisions)

    def find(self, lease: int) -> bool:
        with DecisionReader(self.path) as reader:
            try:
                return reader.find(f"{lease:016x}-1").bid.lease == lease
            except NotKept:
                return False

    def snapshot(self, kind: str, version: str) -> bytes:
        with DecisionReader(self.path) as reader:
            return reader.read_snapshot(kind, version)

    def close(self) -> None:
        self.decisions.close()


def chunks(store: Store) -> list[str]:
    return [f"{folder}/{name}" for folder in ("parcels", "snapshots") for name in store.files(folder)]


@contextlib.contextmanager
def host(folder: Path, store: Store, most_bytes: int = 1 << 20) -> Iterator[Host]:
    made = Host(folder, store, most_bytes)
    try:
        yield made
    finally:
        made.close()


def test_another_host_explains_what_was_recorded_on_a_lost_one(store: Store, tmp_path: Path) -> None:
    with host(tmp_path / "lost", store) as lost:
        lost.decisions.keep_snapshot("pacing", "p", b"a table", 999.0)
        for number in range(1, 6):
            lost.decisions.keep(parcel(1_000.0 + number, number))
            assert lost.archive.write() > 0
        assert lost.archive.write() == 0
    with host(tmp_path / "new", store) as new:
        assert new.archive.restore() > 0
        assert all(new.find(number) for number in range(1, 6))
        assert (new.snapshot("pacing", "p"), new.snapshot("rules", "r")) == (b"a table", b"{}")
        with DecisionReader(new.path) as reader:
            assert next(iter(reader.recent(1))).startswith(f"{5:016x}"), "the order is that of the decisions"
        assert (new.archive.restore(), new.archive.write(), new.archive.clear()) == (0, 0, 0)
        new.decisions.keep(parcel(2_000.0, 9))
        new.decisions.prune(1_000.0 + HOUR + 3)
        assert [number for number in (1, 2, 3, 4, 5, 9) if new.find(number)] == [3, 4, 5, 9]
        assert new.snapshot("pacing", "p") == b"a table", "a decision refers to it"


def test_what_the_file_drops_leaves_the_archive_too(store: Store, tmp_path: Path) -> None:
    with host(tmp_path / "one", store) as one:
        for number in range(1, 4):
            one.decisions.keep(parcel(1_000.0 * number, number))
            one.archive.write()
        before = chunks(store)
        one.decisions.prune(2_000.0 + HOUR + 1)
        assert one.archive.clear() == 2
        assert len(chunks(store)) == len(before) - 2
        one.decisions.prune(9_000.0 + HOUR)
        one.archive.clear()
        assert [name for name in chunks(store) if name.startswith("parcels")] == []
    with host(tmp_path / "two", store) as two:
        two.archive.restore()
        assert not any(two.find(number) for number in range(1, 4))


def test_a_host_that_may_keep_less_takes_the_newest(store: Store, tmp_path: Path) -> None:
    with host(tmp_path / "large", store) as large:
        for number in range(1, 31):
            large.decisions.keep(parcel(1_000.0 + number, number, size=2_000, pacing=f"p{number}"))
            large.archive.write()
    with host(tmp_path / "small", store, most_bytes=5_000) as small:
        small.archive.restore()
        assert small.decisions.kept().parcels < 30
        small.decisions.prune(1_031.0)
        kept = [number for number in range(1, 31) if small.find(number)]
        assert 0 < len(kept) < 30
        assert kept == list(range(31 - len(kept), 31))
        assert small.decisions.kept().bytes <= 5_000
        small.archive.clear()
        assert len([name for name in chunks(store) if name.startswith("parcels")]) <= len(kept) + 1


def test_a_file_of_a_former_release_is_archived_as_well(store: Store, tmp_path: Path) -> None:
    with host(tmp_path / "old", store) as old:
        old.decisions.keep(parcel(1_000.0, 1))
        for statement in (
            "DROP INDEX parcels_by_chunk",
            "DROP INDEX pictures_by_chunk",
            "DROP INDEX parcels_by_age",
            "ALTER TABLE parcels DROP COLUMN uses",
            "ALTER TABLE parcels DROP COLUMN chunk",
            "ALTER TABLE pictures DROP COLUMN chunk",
            "DROP TABLE chunks",
        ):
            old.decisions._connection.execute(statement)
    with host(tmp_path / "old", store) as opened:
        assert opened.archive.write() == 2
    with host(tmp_path / "new", store) as new:
        new.archive.restore()
        assert new.find(1)
        new.decisions.prune(1_000.0 + 700.0)
        assert new.snapshot("rules", "r") == b"{}", "the decision's rules are known to be in use"


def test_a_damaged_chunk_is_as_good_as_none(store: Store, tmp_path: Path) -> None:
    with host(tmp_path / "one", store) as one:
        one.decisions.keep(parcel(1_000.0, 1))
        one.archive.write()
    store.write("parcels/0000000000001-00.chunk", b"rubbish")
    with host(tmp_path / "two", store) as two:
        two.archive.restore()
        assert two.find(1)
        assert two.archive.clear() == 1


@settings(max_examples=examples(20))
@given(fatal=st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=6))
@pytest.mark.parametrize("kind", ["shared", "bucket"])
def test_a_crash_at_any_call_loses_nothing_that_was_archived(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    *,
    kind: str,
    fatal: list[tuple[int, bool]],
) -> None:
    """Each Controller dies at a call of the store; the next is on another host, with nothing but the archive."""
    folder = tmp_path_factory.mktemp("archive")
    if kind == "bucket":
        store: Store = request.getfixturevalue("bucket_server").store()
    else:
        store = FolderStore(folder / "archive", is_shared=True)
    archived: set[int] = set()
    for number, (at, is_after) in enumerate(fatal, 1):
        dying = CrashingStore(store, [at], is_after=is_after)
        with host(folder / f"host{number}", dying) as one, contextlib.suppress(Crash):
            one.archive.restore()
            for turn in range(3):
                lease = 10 * number + turn
                one.decisions.keep(parcel(1_000.0 + lease, lease))
                one.archive.write()
                archived.add(lease)
                one.decisions.prune(2_000.0)
                one.archive.clear()
    with host(folder / "last", store) as last:
        last.archive.restore()
        assert all(last.find(lease) for lease in archived)
        held = len(last.decisions.dropped_chunks())
        assert last.archive.clear() == held
        last.archive.restore()
        assert all(last.find(lease) for lease in archived)
