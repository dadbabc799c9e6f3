"""A store as a file system of pyarrow sees what the store itself sees."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pyarrow import fs

from rtb.store import open_store
from rtb.store.arrow import arrow_filesystem
from tests.buckets import Buckets


def _holds_the_same(url: str) -> None:
    """Copy a folder in by pyarrow, as Ray does, and read it by the store; then remove it."""
    store = open_store(url)
    filesystem, root = arrow_filesystem(url)
    again = pickle.loads(pickle.dumps(filesystem))  # as processes on other hosts get it
    again.create_dir(f"{root}/sweeps/a")
    with again.open_output_stream(f"{root}/sweeps/a/one") as file:
        file.write(b"1")
    assert store.read("sweeps/a/one") == b"1"
    store.write("sweeps/a/two", b"2")
    names = {found.base_name for found in filesystem.get_file_info(fs.FileSelector(f"{root}/sweeps/a"))}
    assert names == {"one", "two"}
    filesystem.delete_dir(f"{root}/sweeps/a")
    assert store.files("sweeps/a") == []


def test_a_folder(tmp_path: Path) -> None:
    _holds_the_same(str(tmp_path))
    _holds_the_same(f"file://{tmp_path}")


def test_a_bucket(bucket_server: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bucket_server.environment.items():
        monkeypatch.setenv(name, value)
    _holds_the_same(bucket_server.url())
    plain, _, _ = bucket_server.url().partition("?")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bucket_server.port}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    _holds_the_same(plain)


def test_a_url_that_names_no_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="credentials come from"):
        arrow_filesystem("s3://key:secret@bucket/prefix")
