"""The notices of a bid are found in the files of events, and nothing of others."""

from __future__ import annotations

from pathlib import Path

from rtb.events.merging import merge_hour
from rtb.events.parquet import hour_folders, write_parts
from rtb.events.stream import StreamEntry
from rtb.explain.notices import notices_of
from rtb.store import FolderStore
from tests.rtb.events.support import BASE_MS, bid_fields, charge_fields

AT = BASE_MS / 1_000


def write(folder: Path, first: int, count: int) -> None:
    entries = []
    for number in range(first, first + count):
        fields = bid_fields(number, AT + number) if number % 3 == 0 else charge_fields(number - 1, AT + number)
        told = {name.encode(): value.encode() if isinstance(value, str) else value for name, value in fields.items()}
        entries.append(StreamEntry(f"{BASE_MS + number * 1_000}-0", told))
    assert list(write_parts(FolderStore(folder), entries))


def test_notices_of_a_bid_are_found_before_and_after_its_hour_is_merged(tmp_path: Path) -> None:
    for first in range(0, 90, 30):
        write(tmp_path, first, 30)
    told = notices_of(FolderStore(tmp_path), "7-1e", AT + 30, AT + 90)
    assert [(one.kind, one.outcome, one.price_micros) for one in told] == [("bill", "settled", 30)]
    assert told[0].at is not None
    assert told[0].at.timestamp() == AT + 31
    (hour,) = hour_folders(FolderStore(tmp_path), 0.0)
    assert merge_hour(FolderStore(tmp_path), hour)
    assert notices_of(FolderStore(tmp_path), "7-1e", AT + 30, AT + 90) == told


def test_what_came_before_the_bid_is_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path, 0, 30)
    assert notices_of(FolderStore(tmp_path), "7-3", AT + 5_000, AT + 5_060) == []


def test_without_events_there_are_no_notices(tmp_path: Path) -> None:
    assert notices_of(FolderStore(tmp_path / "none"), "7-3", AT, AT + 60) == []
