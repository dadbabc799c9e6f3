"""What holds for every store: files are whole or not there, and one of several who create the same one wins."""

from __future__ import annotations

import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from rtb.runtime.settings import Settings
from rtb.store import FolderStore, Store, StoreAway, decision_archive, event_store, model_store, open_store
from tests.buckets import Buckets


def test_what_is_written_is_read_and_listed_where_it_is(store: Store) -> None:
    assert (store.folders(), store.files(), store.files("none"), store.folders("none")) == ([], [], [], [])
    store.write("a/date=1/x-1.parquet", b"one")
    store.write("a/date=1/x-2.parquet", memoryview(b"two"))
    store.write("a/top", b"")
    store.write("a/date=1/x-1.parquet", b"other")
    assert store.folders() == ["a"]
    assert (store.folders("a"), store.files("a")) == (["date=1"], ["top"])
    assert store.files("a/date=1") == ["x-1.parquet", "x-2.parquet"]
    assert store.below("a").below("date=1").files() == ["x-1.parquet", "x-2.parquet"]
    assert store.read("a/date=1/x-1.parquet") == b"other"
    assert store.below("a").read("top") == b""
    store.remove("a/date=1/x-1.parquet")
    store.remove("a/date=1/x-1.parquet")
    store.remove("nothing/there")
    with pytest.raises(FileNotFoundError):
        store.read("a/date=1/x-1.parquet")
    with pytest.raises(FileNotFoundError):
        store.open("a/date=1/x-1.parquet")
    store.remove("a/date=1/x-2.parquet")
    store.remove_folder("a/date=1")
    assert store.files("a/date=1") == []
    assert store.local() is None or store.folders("a") == [], "some servers of buckets list it on"


def test_a_file_that_is_not_finished_is_not_there(store: Store) -> None:
    with pytest.raises(ValueError, match="no"), store.writing("a/b") as file:
        file.write(b"half")
        assert store.files("a") == []
        raise ValueError("no")
    assert store.files("a") == []
    with store.writing("a/b") as file:
        file.write(b"whole")
        assert store.files("a") == []
    assert store.read("a/b") == b"whole"


def test_one_of_many_creates_a_file(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(5):
            won = list(pool.map(lambda me, at=number: store.create(f"c/{at}", b"%d" % me), range(8)))
            assert won.count(True) == 1
            assert store.read(f"c/{number}") == b"%d" % won.index(True)
    assert store.files("c") == [str(number) for number in range(5)]


def test_large_tables_are_read_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtb.store.bucket._WHOLE_BYTES", 10_000)
    monkeypatch.setattr("rtb.store.bucket._READ_AT_ONCE", 4_000)
    table = pa.table({"id": list(range(60_000)), "text": [str(number) for number in range(60_000)]})
    with store.writing("t.parquet") as file:
        pq.write_table(table, file, row_group_size=20_000)
    with store.open("t.parquet") as file:
        assert pq.read_table(file, columns=["text"]).column("text").to_pylist() == table.column("text").to_pylist()
    with store.open("t.parquet") as file:
        assert pq.read_table(file, filters=[("id", "=", 44_444)]).to_pylist() == [{"id": 44_444, "text": "44444"}]


def test_drafts_of_crashed_writers_go_and_those_of_living_ones_elsewhere_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    old, new = tmp_path / "a" / ".x.00.draft", tmp_path / "a" / ".x.01.draft"
    for draft in (old, new):
        draft.touch()
    os.utime(old, (time.time() - 100_000,) * 2)
    shared = FolderStore(tmp_path, is_shared=True)
    assert shared.files("a") == []
    shared.remove_drafts()
    assert (old.exists(), new.exists()) == (False, True)
    FolderStore(tmp_path).remove_drafts()
    assert not new.exists()


def test_what_tells_of_users_is_for_this_user_alone(tmp_path: Path) -> None:
    archive = decision_archive(Settings(var_dir=tmp_path / "var", store=str(tmp_path / "shared")))
    assert archive is not None
    archive.below("parcels").write("x", b"")
    assert stat.S_IMODE((tmp_path / "shared" / "decisions" / "parcels" / "x").stat().st_mode) == 0o600


def test_a_link_whose_answer_was_lost_counts_as_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def retried(source: Path, target: Path) -> None:
        real(source, target)
        raise FileExistsError

    monkeypatch.setattr(os, "link", retried)
    assert FolderStore(tmp_path, is_shared=True).create("a", b"1")


def test_places_follow_the_settings(tmp_path: Path) -> None:
    own = Settings(var_dir=tmp_path)
    assert (event_store(own).local(), model_store(own).local()) == (tmp_path / "events", tmp_path / "published")
    assert decision_archive(own) is None
    assert own.ctr_dir == tmp_path / "models" / "ctr"
    shared = Settings(var_dir=tmp_path, store=f"file://{tmp_path}/with%20blank")
    assert event_store(shared).local() == tmp_path / "with blank" / "events"
    assert shared.ctr_dir != own.ctr_dir
    bucket = Settings(var_dir=tmp_path, store="s3://bucket/p?region=eu-west-1")
    assert (event_store(bucket).url, event_store(bucket).local()) == ("s3://bucket/p/events", None)


@pytest.mark.parametrize(
    "url", ["relative/folder", "gs://bucket", "s3://", "s3://key:secret@bucket/p", "https://host/bucket"]
)
def test_what_cannot_be_a_store_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="store"):
        Settings(store=url)


def test_unknown_parameters_of_a_bucket_are_refused() -> None:
    with pytest.raises(ValueError, match="endpoint_overide"):
        open_store("s3://bucket?endpoint_overide=http://x")


def test_a_server_that_is_away_or_refuses_is_told_in_a_line(
    bucket_server: Buckets, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtb.store.bucket._RETRIES", {"max_retries": 0})
    away = open_store(f"s3://bucket?endpoint_override=http://127.0.0.1:{free_port}")
    with pytest.raises(StoreAway) as told:
        away.read("a")
    assert "\n" not in str(told.value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreAway):
        bucket_server.store().write("a", b"")


def test_a_bucket_that_is_not_there_is_an_error_and_not_empty(bucket_server: Buckets) -> None:
    missing = open_store(f"s3://missing?endpoint_override=http://127.0.0.1:{bucket_server.port}")
    with pytest.raises(StoreAway, match="404"):
        missing.files()
