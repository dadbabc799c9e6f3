"""Copies of files at URLs: fetched again when they are old, never replaced by what is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rtb.runtime.downloads import DownloadError, KeptCopy, is_url

_BOUNDS: Any = {"most_seconds": 100.0, "retry_seconds": 10.0, "most_bytes": 1_000, "timeout": 1.0}


def test_a_copy_is_kept_until_it_is_old_and_a_bad_answer_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, answers = 1_000.0, [b"1", b"bad", b"2"]
    monkeypatch.setattr("rtb.runtime.downloads.fetch", lambda url, **bounds: answers.pop(0))
    copy = KeptCopy("https://a.example/", tmp_path / "copies", int, lambda: now)
    copy.refresh(**_BOUNDS)
    assert copy.path.read_bytes() == b"1"
    os.utime(copy.path, (now, now))
    now += 99
    copy.refresh(**_BOUNDS)
    assert len(answers) == 2
    now += 2
    with pytest.raises(ValueError, match="bad"):
        copy.refresh(**_BOUNDS)
    copy.refresh(**_BOUNDS)  # too soon to try again
    assert (copy.path.read_bytes(), answers) == (b"1", [b"2"])
    now += 10
    copy.refresh(**_BOUNDS)
    assert copy.path.read_bytes() == b"2"


def test_what_cannot_be_fetched_says_so(tmp_path: Path) -> None:
    copy = KeptCopy("http://127.0.0.1:1/", tmp_path, int)
    with pytest.raises(DownloadError, match="ConnectError"):
        copy.refresh(**_BOUNDS)
    assert not copy.is_fresh(100.0)
    assert (is_url("https://a.example"), is_url("/etc/rates.yaml")) == (True, False)
