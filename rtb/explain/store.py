"""The store of decisions and the snapshots they were made by: one SQLite file of bounded age and size.

A bid is found by its lease: a parcel lists the leases of its bids, which are few, so that no index per bid is needed.
Snapshots (catalogs, pacing tables, models, rules) are kept once per version, as long as decisions made by them.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from rtb.explain.records import Parcel, unpack_parcel, uses_of

_LATE_SECONDS = 600.0
"""Longest delay of a decision after the table or catalog it was made by was replaced."""

_REPLACED = ("catalog", "pacing")
"""Kinds of snapshots of which the newest is in use, and others are dropped once no decision refers to them."""

_FORM = 1
"""Version of recorded requests: 1 since they are redacted."""

_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA secure_delete = FAST;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS parcels (
  number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL,
  uses BLOB, chunk TEXT
);
CREATE TABLE IF NOT EXISTS leases (lease INTEGER, parcel INTEGER, PRIMARY KEY (lease, parcel)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS leases_by_parcel ON leases (parcel);
CREATE TABLE IF NOT EXISTS pictures (
  kind TEXT, version TEXT, at REAL NOT NULL, used REAL, size INTEGER NOT NULL, body BLOB NOT NULL, chunk TEXT,
  PRIMARY KEY (kind, version)
);
CREATE TABLE IF NOT EXISTS chunks (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_LATER_COLUMNS = (("parcels", "uses BLOB"), ("parcels", "chunk TEXT"), ("pictures", "chunk TEXT"))
"""Columns that files of former releases lack."""

_INDEXES = """
CREATE INDEX IF NOT EXISTS parcels_by_chunk ON parcels (chunk);
CREATE INDEX IF NOT EXISTS pictures_by_chunk ON pictures (chunk);
CREATE INDEX IF NOT EXISTS parcels_by_age ON parcels (at);
"""


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot as it is stored.

    Attributes:
        kind: kind of the snapshot.
        version: its version.
        at: Unix time from which on it was in use.
        size: bytes of the decompressed body.
        body: compressed body.
    """

    kind: str
    version: str
    at: float
    size: int
    body: bytes


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
        self._add_columns()
        self._connection.executescript(_INDEXES)
        self._forget_unredacted()
        self._bytes = self._count()

    def _add_columns(self) -> None:
        """Add the columns that a file of a former release lacks."""
        for table, column in _LATER_COLUMNS:
            known = [row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")]
            if column.partition(" ")[0] not in known:
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")

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
        with self._mutex, self._connection:
            self._insert(parcel)
            for digest, rules in parcel.rules.items():
                self._keep_snapshot("rules", digest, rules, parcel.at)
            return self._touch(parcel)

    def _insert(self, parcel: Parcel, chunk: str | None = None) -> None:
        """Insert a parcel, unless it is there."""
        insert = "INSERT OR IGNORE INTO parcels (id, at, size, body, uses, chunk) VALUES (?, ?, ?, ?, ?, ?)"
        uses = msgspec.msgpack.encode(_all_uses(parcel))
        row = (parcel.id, parcel.at, parcel.size, parcel.body, uses, chunk)
        made = self._connection.execute(insert, row)
        if not made.rowcount:
            return
        rows = ((lease, made.lastrowid) for lease in np.frombuffer(parcel.leases, np.int64).tolist())
        self._connection.executemany("INSERT OR IGNORE INTO leases VALUES (?, ?)", rows)
        self._bytes += len(parcel.body)

    def _touch(self, parcel: Parcel) -> list[tuple[str, str]]:
        """Mark the snapshots that a parcel was decided by as used; return those that are missing."""
        touch = "UPDATE pictures SET used = max(coalesce(used, 0), ?) WHERE kind = ? AND version = ?"
        return [use for use in _all_uses(parcel) if not self._connection.execute(touch, (parcel.at, *use)).rowcount]

    def unarchived_parcels(self, most_bytes: int) -> list[Parcel]:
        """Return the oldest parcels that no chunk of the archive holds, of about so many bytes."""
        rows = "SELECT number, id, at, size, body, uses FROM parcels WHERE chunk IS NULL ORDER BY number"
        found: list[Parcel] = []
        with self._mutex, closing(self._connection.execute(rows)) as parcels:
            for number, id, at, size, body, uses in parcels:
                if found and most_bytes < len(body):
                    break
                most_bytes -= len(body)
                used = (
                    _uses_in(body, size) if uses is None else msgspec.msgpack.decode(uses, type=list[tuple[str, str]])
                )
                leases = self._leases_of(number)
                found.append(Parcel(id=id, at=at, leases=leases, uses=used, rules={}, size=size, body=body))
        return found

    def _leases_of(self, number: int) -> bytes:
        rows = self._connection.execute(
            "SELECT lease FROM leases WHERE parcel = ? ORDER BY lease", (number,)
        ).fetchall()
        return np.array([lease for (lease,) in rows], np.int64).tobytes()

    def unarchived_snapshots(self, most_bytes: int) -> list[Snapshot]:
        """Return the oldest snapshots that no chunk of the archive holds, of about so many bytes."""
        rows = "SELECT kind, version, at, size, body FROM pictures WHERE chunk IS NULL ORDER BY at"
        found: list[Snapshot] = []
        with self._mutex, closing(self._connection.execute(rows)) as snapshots:
            for row in snapshots:
                if found and most_bytes < len(row[-1]):
                    break
                most_bytes -= len(row[-1])
                found.append(Snapshot(*row))
        return found

    def note_parcels(self, chunk: str, parcels: Iterable[Parcel]) -> None:
        """Note which chunk of the archive holds these parcels."""
        with self._mutex, self._connection:
            self._note(chunk, "parcels SET chunk = ? WHERE id = ?", ((one.id,) for one in parcels))

    def note_snapshots(self, chunk: str, snapshots: Iterable[Snapshot]) -> None:
        """Note which chunk of the archive holds these snapshots."""
        with self._mutex, self._connection:
            self._note(chunk, "pictures SET chunk = ? WHERE kind = ? AND version = ?", map(_key_of, snapshots))

    def _note(self, chunk: str, what: str, keys: Iterable[tuple[str, ...]]) -> None:
        self._connection.execute("INSERT OR IGNORE INTO chunks VALUES (?)", (chunk,))
        self._connection.executemany(f"UPDATE {what} AND chunk IS NULL", ((chunk, *key) for key in keys))

    def restore_parcels(self, chunk: str, parcels: Sequence[Parcel]) -> None:
        """Store the parcels of a chunk, whatever room there is."""
        with self._mutex, self._connection:
            self._note(chunk, "parcels SET chunk = ? WHERE id = ?", ((one.id,) for one in parcels))
            for parcel in parcels:
                self._insert(parcel, chunk)
                self._touch(parcel)

    def restore_snapshots(self, chunk: str, snapshots: Sequence[Snapshot]) -> None:
        """Store the snapshots of a chunk, whatever room there is."""
        insert = "INSERT OR IGNORE INTO pictures (kind, version, at, size, body, chunk) VALUES (?, ?, ?, ?, ?, ?)"
        with self._mutex, self._connection as connection:
            self._note(chunk, "pictures SET chunk = ? WHERE kind = ? AND version = ?", map(_key_of, snapshots))
            for one in snapshots:
                row = (one.kind, one.version, one.at, one.size, one.body, chunk)
                if connection.execute(insert, row).rowcount:
                    self._bytes += len(one.body)

    def note_chunk(self, chunk: str) -> None:
        """Note that a chunk is known, whatever it holds."""
        self.note_parcels(chunk, ())

    @property
    def most_bytes(self) -> int:
        """Most bytes of all that is kept."""
        return self._most_bytes

    def chunks(self) -> set[str]:
        """Return the chunks of the archive that are known."""
        with self._mutex:
            return {name for (name,) in self._connection.execute("SELECT name FROM chunks")}

    def dropped_chunks(self) -> list[str]:
        """Return the known chunks of which nothing is stored any more."""
        held = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {table} WHERE chunk = name)" for table in ("parcels", "pictures")
        )
        with self._mutex:
            return [name for (name,) in self._connection.execute(f"SELECT name FROM chunks WHERE {held}")]

    def forget_chunk(self, chunk: str) -> None:
        """Forget a chunk that was removed."""
        with self._mutex, self._connection as connection:
            connection.execute("DELETE FROM chunks WHERE name = ?", (chunk,))

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
                oldest = connection.execute("SELECT at FROM parcels ORDER BY at LIMIT 64").fetchall()
                if not oldest:
                    self._drop_oldest_snapshots()
                    break
                self._drop_parcels("at <= ?", self._enough(oldest[-1][0]))
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

    def _enough(self, last: float) -> float:
        """Return the Unix time up to which the oldest parcels must be dropped, at most `last`."""
        over = self._bytes - self._most_bytes
        for at, size in self._connection.execute(
            "SELECT at, length(body) FROM parcels WHERE at <= ? ORDER BY at", (last,)
        ).fetchall():
            over -= size
            if over <= 0:
                return float(at)
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


def _key_of(snapshot: Snapshot) -> tuple[str, str]:
    return snapshot.kind, snapshot.version


def _all_uses(parcel: Parcel) -> list[tuple[str, str]]:
    return [*parcel.uses, *(("rules", digest) for digest in parcel.rules)]


def _uses_in(body: bytes, size: int) -> list[tuple[str, str]]:
    """Return what the decisions in a parcel of a former release were made by; nothing where it is damaged."""
    try:
        return uses_of(unpack_parcel(body, size))
    except ValueError:
        return []
