"""The store of decisions and the snapshots they were made by: one SQLite file of bounded age and size.

A bid is found by its lease: a parcel lists the leases of its bids, which are few, so that no index per bid is needed.
Snapshots (catalogs, pacing tables, models, rules) are kept once per version, as long as decisions made by them.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from rtb.explain.records import BatchRecord, BidRecord, Parcel, RequestRecord, unpack_parcel

_LATE_SECONDS = 600.0
"""Longest delay of a decision after the table or catalog it was made by was replaced."""

_BID_ID = re.compile(r"([0-9a-f]{16})-([0-9a-f]{1,8})")
_REPLACED = ("catalog", "pacing")
"""Kinds of snapshots of which the newest is in use, and others are dropped once no decision refers to them."""

_FORM = 1
"""Version of recorded requests: 1 since they are redacted."""

_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA secure_delete = FAST;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS parcels (
  number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS leases (lease INTEGER, parcel INTEGER, PRIMARY KEY (lease, parcel)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS leases_by_parcel ON leases (parcel);
CREATE TABLE IF NOT EXISTS pictures (
  kind TEXT, version TEXT, at REAL NOT NULL, used REAL, size INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (kind, version)
);
"""


class NotKept(LookupError):
    """A bid or snapshot that is not kept; the message says why, and what to do."""


class RecordedBid(NamedTuple):
    """A recorded bid with its context.

    Attributes:
        batch: batch of the bid.
        request: request of the bid.
        bid: the bid itself.
    """

    batch: BatchRecord
    request: RequestRecord
    bid: BidRecord


class StoreSize(NamedTuple):
    """The size of a store.

    Attributes:
        parcels: number of parcels of decisions.
        snapshots: number of snapshots.
        bytes: bytes of both.
        since: Unix time of the oldest decision, 0 without any.
    """

    parcels: int
    snapshots: int
    bytes: int
    since: float


class DecisionStore:
    """The store of decisions and snapshots. Calls block, and may come from any thread.

    Args:
        path: path of the file, which is created if missing.
        seconds: how long decisions are kept.
        most_bytes: most bytes of all that is kept; beyond it the oldest is dropped first.

    Raises:
        sqlite3.Error: the file cannot be opened; so for every call.
    """

    def __init__(self, path: Path, *, seconds: float, most_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # requests may identify users
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, timeout=10.0)
        self._connection.executescript(_TABLES)
        self._forget_unredacted()
        self._bytes = self._count()

    def _forget_unredacted(self) -> None:
        """Delete requests from before redaction, with everything they contain of their users."""
        if self._connection.execute("PRAGMA user_version").fetchone()[0] >= _FORM:
            return
        with self._connection as connection:
            connection.execute("DELETE FROM leases")
            connection.execute("DELETE FROM parcels")
        self._connection.execute("VACUUM")  # otherwise they would stay in free pages
        self._connection.execute(f"PRAGMA user_version = {_FORM}")

    def keep(self, parcel: Parcel) -> list[tuple[str, str]]:
        """Store a parcel; storing it again changes nothing.

        Returns:
            `(kind, version)` of the missing snapshots that its decisions were made by.
        """
        with self._mutex, self._connection as connection:
            row = (parcel.id, parcel.at, parcel.size, parcel.body)
            made = connection.execute("INSERT OR IGNORE INTO parcels (id, at, size, body) VALUES (?, ?, ?, ?)", row)
            if made.rowcount:
                leases = np.frombuffer(parcel.leases, np.int64).tolist()
                rows = ((lease, made.lastrowid) for lease in leases)
                connection.executemany("INSERT OR IGNORE INTO leases VALUES (?, ?)", rows)
                self._bytes += len(parcel.body)
            for digest, rules in parcel.rules.items():
                self._keep_snapshot("rules", digest, rules, parcel.at)
            uses = [*parcel.uses, *(("rules", digest) for digest in parcel.rules)]
            touch = "UPDATE pictures SET used = max(coalesce(used, 0), ?) WHERE kind = ? AND version = ?"
            return [use for use in uses if not connection.execute(touch, (parcel.at, *use)).rowcount]

    def keep_snapshot(self, kind: str, version: str, body: bytes, at: float) -> None:
        """Store a snapshot in use from this Unix time on; a known one becomes the newest again."""
        with self._mutex, self._connection:
            self._keep_snapshot(kind, version, body, at)

    def _keep_snapshot(self, kind: str, version: str, body: bytes, at: float) -> None:
        again = "UPDATE pictures SET at = max(at, ?) WHERE kind = ? AND version = ?"
        if self._connection.execute(again, (at, kind, version)).rowcount:
            return
        packed = pa.Codec("zstd", 3).compress(body, asbytes=True)
        row = (kind, version, at, len(body), packed)
        self._connection.execute("INSERT INTO pictures (kind, version, at, size, body) VALUES (?, ?, ?, ?, ?)", row)
        self._bytes += len(packed)

    def has(self, kind: str, version: str) -> bool:
        """Return whether a snapshot is stored."""
        with self._mutex:
            asked = "SELECT 1 FROM pictures WHERE kind = ? AND version = ?"
            return self._connection.execute(asked, (kind, version)).fetchone() is not None

    def prune(self, now: float) -> int:
        """Drop what is too old or too much, and unused snapshots; return the bytes freed."""
        with self._mutex, self._connection as connection:
            before = self._bytes = self._count()  # counted again, since another Controller may have written
            self._drop_parcels("at < ?", now - self._seconds)
            self._drop_snapshots(now)
            while self._bytes > self._most_bytes:
                oldest = connection.execute("SELECT number FROM parcels ORDER BY number LIMIT 64").fetchall()
                if not oldest:
                    self._drop_oldest_snapshots()
                    break
                self._drop_parcels("number <= ?", self._enough(oldest[-1][0]))
                self._drop_snapshots(now)
            return before - self._bytes

    def kept(self) -> StoreSize:
        """Return the size of the store."""
        with self._mutex:
            parcels, since = self._connection.execute("SELECT count(*), coalesce(min(at), 0) FROM parcels").fetchone()
            (snapshots,) = self._connection.execute("SELECT count(*) FROM pictures").fetchone()
            return StoreSize(parcels, snapshots, self._bytes, since)

    def close(self) -> None:
        """Close the file."""
        with self._mutex:
            self._connection.close()

    def _enough(self, last: int) -> int:
        """Return the number of the parcel up to which the oldest must be dropped, at most `last`."""
        over = self._bytes - self._most_bytes
        for number, size in self._connection.execute(
            "SELECT number, length(body) FROM parcels WHERE number <= ? ORDER BY number", (last,)
        ).fetchall():
            over -= size
            if over <= 0:
                return int(number)
        return last

    def _drop_parcels(self, where: str, value: float) -> None:
        total = f"SELECT coalesce(sum(length(body)), 0) FROM parcels WHERE {where}"
        (size,) = self._connection.execute(total, (value,)).fetchone()
        if size:
            gone = f"SELECT number FROM parcels WHERE {where}"
            self._connection.execute(f"DELETE FROM leases WHERE parcel IN ({gone})", (value,))
            self._connection.execute(f"DELETE FROM parcels WHERE {where}", (value,))
            self._bytes -= size

    def _drop_snapshots(self, now: float) -> None:
        """Drop snapshots of no stored decision, except the newest ones and those that a late decision may refer to."""
        (oldest,) = self._connection.execute("SELECT min(at) FROM parcels").fetchone()
        horizon = min(now - _LATE_SECONDS, now if oldest is None else oldest)
        self._drop_each("coalesce(used, at) < ?", (horizon,))
        kinds = ", ".join(f"'{kind}'" for kind in _REPLACED)
        self._drop_each(f"kind IN ({kinds}) AND used IS NULL AND at < ?", (now - _LATE_SECONDS,))

    def _drop_oldest_snapshots(self) -> None:
        """Drop the oldest snapshots where they alone exceed the limit."""
        rows = self._connection.execute("SELECT kind, version FROM pictures ORDER BY coalesce(used, at)").fetchall()
        for kind, version in rows:
            if self._bytes <= self._most_bytes:
                return
            self._drop_each("kind = ? AND version = ?", (kind, version))

    def _drop_each(self, where: str, values: tuple[object, ...]) -> None:
        newest = "SELECT 1 FROM pictures AS later WHERE later.kind = pictures.kind AND later.at > pictures.at"
        spared = f"({where}) AND EXISTS ({newest})"
        total = f"SELECT coalesce(sum(length(body)), 0) FROM pictures WHERE {spared}"
        (size,) = self._connection.execute(total, values).fetchone()
        if size:
            self._connection.execute(f"DELETE FROM pictures WHERE {spared}", values)
            self._bytes -= size

    def _count(self) -> int:
        both = (
            "SELECT (SELECT coalesce(sum(length(body)), 0) FROM {}) + (SELECT coalesce(sum(length(body)), 0) FROM {})"
        )
        return int(self._connection.execute(both.format("parcels", "pictures")).fetchone()[0])


class DecisionReader:
    """A reader of a store that another process or thread may write.

    Args:
        path: path of its file.

    Raises:
        NotKept: there is no such file.
        sqlite3.Error: it cannot be read; so for every call.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NotKept(
                f"no decision was ever recorded in {path}: the platform has not bid yet, keeps its files elsewhere "
                "(set RAYBID_VAR_DIR), or RAYBID_DECISION_HOURS is 0"
            )
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10.0)

    def __enter__(self) -> DecisionReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def find(self, bid_id: str) -> RecordedBid:
        """Return a bid by its id.

        Raises:
            NotKept: it is not stored.
            ValueError: a parcel is damaged.
        """
        lease, sequence = parse_bid_id(bid_id)
        rows = "SELECT size, body FROM parcels JOIN leases ON parcel = number WHERE lease = ? ORDER BY number"
        with closing(self._connection.execute(rows, (lease,))) as parcels:
            for size, body in parcels:
                for batch in unpack_parcel(body, size):
                    for request in batch.requests:
                        for bid in request.bids:
                            if (bid.lease, bid.sequence) == (lease, sequence):
                                return RecordedBid(batch, request, bid)
        raise NotKept(self._why_not(bid_id))

    def read_snapshot(self, kind: str, version: str) -> bytes:
        """Return a snapshot.

        Raises:
            NotKept: it is not stored.
        """
        asked = "SELECT size, body FROM pictures WHERE kind = ? AND version = ?"
        row = self._connection.execute(asked, (kind, version)).fetchone()
        if row is None:
            raise NotKept(
                f"{_SPOKEN.get(kind, kind)} {version} that this bid was made by is not kept (any more): what is older "
                "than RAYBID_DECISION_HOURS goes, and the oldest first beyond RAYBID_DECISION_MEGABYTES"
            )
        return bytes(pa.Codec("zstd").decompress(row[1], row[0], asbytes=True))

    def recent(self, count: int) -> Iterable[str]:
        """Yield the ids of bids of the newest parcels, newest first, at least `count` where there are as many."""
        left = count
        rows = self._connection.execute("SELECT size, body FROM parcels ORDER BY number DESC")
        with closing(rows) as parcels:
            for size, body in parcels:
                if left <= 0:
                    return
                ids = [
                    bid_id_of(bid) for batch in unpack_parcel(body, size) for one in batch.requests for bid in one.bids
                ]
                left -= len(ids)
                yield from ids

    def _why_not(self, bid_id: str) -> str:
        (since,) = self._connection.execute("SELECT min(at) FROM parcels").fetchone()
        if since is None:
            return f"bid {bid_id} is not recorded: nothing is, no bid was made within RAYBID_DECISION_HOURS"
        oldest = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
        return (
            f"bid {bid_id} is not recorded: it is older than the oldest that is ({oldest}), it is younger than "
            "a few seconds and still on its way, it answered a test, or there never was such a bid. Ask again, or keep "
            "more with RAYBID_DECISION_HOURS and RAYBID_DECISION_MEGABYTES"
        )


_SPOKEN = {"ctr": "the CTR model", "pacing": "the pacing table", "catalog": "the catalog", "rules": "the set of rules"}


def parse_bid_id(bid_id: str) -> tuple[int, int]:
    """Return lease and sequence of a bid's id.

    Raises:
        NotKept: it is not the id of a bid.
    """
    match = _BID_ID.fullmatch(bid_id)
    if match is None or int(match[1], 16) >= 1 << 63:
        raise NotKept(f"{bid_id[:64]!r} is not the id of a bid: one looks like 00c0ffee00c0ffee-1f, as in a bid's `id`")
    return int(match[1], 16), int(match[2], 16)


def bid_id_of(bid: BidRecord) -> str:
    """Return the id of a recorded bid, as it was sent."""
    return f"{bid.lease:016x}-{bid.sequence:x}"
