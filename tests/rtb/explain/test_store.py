"""What is kept is found again, once each, and never more or longer than was asked for."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.explain.reader import DecisionReader, NotKept, parse_bid_id
from rtb.explain.records import Parcel
from rtb.explain.store import DecisionStore
from tests.rtb.explain.parcels import parcel

HOUR = 3_600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "decisions.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[DecisionStore]:
    versions = DecisionStore(path, seconds=HOUR, most_bytes=1 << 20)
    yield versions
    versions.close()


def find(path: Path, bid_id: str) -> int:
    with DecisionReader(path) as reader:
        return reader.find(bid_id).bid.sequence


def has_snapshot(path: Path, kind: str, version: str) -> bool:
    with DecisionReader(path) as reader:
        try:
            reader.read_snapshot(kind, version)
        except NotKept:
            return False
        return True


def test_a_bid_is_found_by_its_id(store: DecisionStore, path: Path) -> None:
    store.keep(parcel(1_000.0, 0xABC))
    store.keep(parcel(1_001.0, 0xABD))
    assert find(path, f"{0xABC:016x}-2") == 2
    with DecisionReader(path) as reader:
        found = reader.find(f"{0xABD:016x}-1")
        assert (found.batch.at, found.request.hour, found.bid.price_micros) == (1_001.0, 12, 500)
        assert next(iter(reader.recent(1))) == f"{0xABD:016x}-1"


@pytest.mark.parametrize("bid_id", ["", "x", "../../etc", "0000000000000abc", f"{0xABC:016x}-3", f"{0xABE:016x}-1"])
def test_what_is_not_there_says_why_and_what_to_do(store: DecisionStore, path: Path, bid_id: str) -> None:
    store.keep(parcel(1_000.0, 0xABC))
    with pytest.raises(NotKept, match=r"not the id of a bid|RAYBID_DECISION_HOURS"):
        find(path, bid_id)


def test_without_a_file_the_reader_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(NotKept, match="RAYBID_VAR_DIR"):
        DecisionReader(tmp_path / "none.sqlite")


def test_a_parcel_sent_twice_is_kept_once(store: DecisionStore) -> None:
    store.keep(parcel(1_000.0, 1))
    before = store.kept()
    store.keep(parcel(1_000.0, 1))
    assert store.kept() == before


def test_it_says_what_its_decisions_were_made_by_and_is_missing(store: DecisionStore) -> None:
    store.keep_snapshot("pacing", "p", b"table", 999.0)
    assert set(store.keep(parcel(1_000.0, 1))) == {("catalog", "c"), ("ctr", "m"), ("policy", "neutral")}


def test_others_may_not_read_it(store: DecisionStore, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_too_old_goes(store: DecisionStore, path: Path) -> None:
    store.keep(parcel(1_000.0, 1))
    store.keep(parcel(3_000.0, 2))
    assert store.prune(1_000.0 + HOUR + 1) > 0
    assert find(path, f"{2:016x}-1") == 1
    with pytest.raises(NotKept, match="older than the oldest"):
        find(path, f"{1:016x}-1")


def test_a_table_stays_as_long_as_a_decision_by_it(store: DecisionStore, path: Path) -> None:
    for number in range(20):
        store.keep_snapshot("pacing", f"p{number}", b"table", 1_000.0 + number)
    store.keep(parcel(1_003.0, 1, pacing="p3"))
    store.prune(1_030.0)
    assert all(has_snapshot(path, "pacing", f"p{number}") for number in range(20)), "one may still come by them"
    store.prune(1_020.0 + 600.0)
    assert [number for number in range(20) if has_snapshot(path, "pacing", f"p{number}")] == [3, 19]
    store.prune(1_003.0 + HOUR + 1)
    assert [number for number in range(20) if has_snapshot(path, "pacing", f"p{number}")] == [19], "it is bid by"


def test_a_model_that_serves_again_is_the_newest(store: DecisionStore, path: Path) -> None:
    for at, version in ((1_000.0, "a"), (2_000.0, "b"), (3_000.0, "a")):
        store.keep_snapshot("ctr", version, version.encode(), at)
    store.prune(3_000.0 + 2 * HOUR)
    assert (has_snapshot(path, "ctr", "a"), has_snapshot(path, "ctr", "b")) == (True, False)


@given(st.lists(st.integers(100, 60_000), min_size=1, max_size=40))
def test_it_never_holds_more_than_it_may(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    path = tmp_path_factory.mktemp("store") / "decisions.sqlite"
    store = DecisionStore(path, seconds=HOUR, most_bytes=4_000)
    try:
        for number, size in enumerate(sizes, 1):
            at = 1_000.0 + number
            store.keep_snapshot("pacing", f"p{number}", number.to_bytes(2, "big") * (size // 50), at)
            store.keep(parcel(at, number, size=size, pacing=f"p{number}"))
            store.prune(at)
            kept = store.kept()
            assert kept.bytes <= 4_000 or kept.parcels == 0
            assert kept.parcels == 0 or find(path, f"{number:016x}-1") == 1, "the newest goes last"
        counted = DecisionStore(path, seconds=HOUR, most_bytes=4_000)
        assert counted.kept() == store.kept(), "a new Controller counts the same"
        counted.close()
    finally:
        store.close()


def test_a_damaged_parcel_is_told(store: DecisionStore, path: Path) -> None:
    whole = parcel(1_000.0, 1)
    store.keep(Parcel(**{name: getattr(whole, name) for name in whole.__struct_fields__} | {"body": b"rubbish"}))
    with pytest.raises(ValueError, match="cannot be read"):
        find(path, f"{1:016x}-1")


def test_ids_are_read_as_they_are_sent() -> None:
    assert parse_bid_id("00c0ffee00c0ffee-1f") == (0xC0FFEE00C0FFEE, 31)
    with pytest.raises(NotKept):
        parse_bid_id("ffffffffffffffff-1")
