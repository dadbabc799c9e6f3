"""A stream with explicit ids, and what is in its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import redis

from rtb.events import STREAM, BidEvent
from rtb.events.parquet import HOUR, runs
from rtb.store import FolderStore, Store

BASE_MS = 1_800_000_000_000  # on the hour

Fields = dict[Any, Any]
"""Text to text or bytes; the client's hints want a dictionary of exactly all that it takes."""


def add(client: redis.Redis, first: int, count: int, step_ms: int = 4_000) -> None:
    """Append events `first`, `first + 1`, ...: every third a bid, the others charges; 900 to an hour."""
    with client.pipeline(transaction=False) as pipe:
        for number in range(first, first + count):
            at = BASE_MS // 1_000 + number * step_ms / 1_000
            fields = bid_fields(number, at) if number % 3 == 0 else charge_fields(number, at)
            pipe.xadd(STREAM, fields, id=f"{BASE_MS + number * step_ms}-{number % 2}")
        pipe.execute()


def bid_fields(number: int, at: float) -> Fields:
    event = BidEvent(
        bid=f"7-{number:x}",
        request=f"request {number}",
        campaign=number % 2 + 1,
        creative="c/1",
        features=[number, -1],
        pctr=0.25,
        multiplier=1.5,
        price_micros=number,
        floor_micros=10,
        at=at,
    )
    return {"kind": "bid", "bid": event.bid, "data": msgspec.json.encode(event)}


def charge_fields(number: int, at: float) -> Fields:
    row = {"kind": "bill", "bid": f"7-{number:x}", "campaign": str(number % 2 + 1), "price_micros": str(number)}
    return {**row, "at": str(at), "outcome": "settled", "min_to_win_micros": ""}


def charged(count: int) -> dict[tuple[int, int], int]:
    """Return what the first events cost: micros by campaign and hour."""
    totals: dict[tuple[int, int], int] = {}
    for number in range(count):
        if number % 3:
            hour = (BASE_MS // 1_000 + number * 4) // HOUR * HOUR
            key = (number % 2 + 1, hour)
            totals[key] = totals.get(key, 0) + number
    return totals


def ids_in_files(folder: Path) -> list[str]:
    """Ids of all events in the files of a folder, in the order the files have them."""
    return ids_in(FolderStore(folder))


def ids_in(store: Store) -> list[str]:
    """Ids of all events in a store, in the order its files have them."""
    return [id for run in runs(store) for id in run.table.column("id").to_pylist()]


def expected_ids(count: int) -> list[str]:
    return [f"{BASE_MS + number * 4_000}-{number % 2}" for number in range(count)]
