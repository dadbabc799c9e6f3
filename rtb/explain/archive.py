"""The archive of decisions in the store of all hosts, from which a Controller elsewhere goes on explaining.

    <store>/parcels/<ms>-<random>.chunk      parcels of decisions
    <store>/snapshots/<ms>-<random>.chunk    what decisions were made by

The file of decisions (`rtb.explain.store`) is what is read; the archive is its copy. What the file has and the archive
lacks is written in chunks whose names never repeat, so two Controllers cannot overwrite each other's. Chunks go when
the file has dropped all that was in them, so the archive is bounded by the same age and size. A crash between writing a
chunk and noting it leaves a second copy of the same, which is read once and then removed.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import msgspec

from rtb.explain.records import Parcel
from rtb.explain.store import DecisionStore, Snapshot
from rtb.store import Store

Folder = Literal["parcels", "snapshots"]

_CHUNK_BYTES = 16_000_000
_READERS = 8


class _Chunk(msgspec.Struct, frozen=True):
    """What one file of the archive holds."""

    parcels: list[Parcel] = []
    snapshots: list[Snapshot] = []


class DecisionArchive:
    """The archive of one file of decisions. Calls block, and may come from any thread.

    Args:
        store: store of the archive.
        decisions: file of decisions.
    """

    def __init__(self, store: Store, decisions: DecisionStore) -> None:
        self._store = store
        self._decisions = decisions
        self._mutex = threading.Lock()

    def restore(self) -> int:
        """Read what the file lacks, the newest first, as far as it may hold; return the number of chunks read.

        Raises:
            OSError: the store cannot be read; what was read stays, the next call goes on.
        """
        with self._mutex:
            snapshots = self._unknown("snapshots")
            for name, chunk in self._read(snapshots):
                self._decisions.restore_snapshots(name, chunk.snapshots)
            parcels, left = self._unknown("parcels"), self._decisions.most_bytes
            for name, chunk in self._read(parcels):
                self._decisions.restore_parcels(name, chunk.parcels)
                left -= sum(len(parcel.body) for parcel in chunk.parcels)
                if left <= 0:
                    break
            for name in parcels:  # what was not read is too much: it counts as dropped
                self._decisions.note_chunk(name)
            return len(snapshots) + len(parcels)

    def write(self) -> int:
        """Write what the archive lacks; return the number of chunks written.

        Raises:
            OSError: the store cannot be written; the next call goes on.
        """
        with self._mutex:
            written = 0
            while snapshots := self._decisions.unarchived_snapshots(_CHUNK_BYTES):
                name = self._write("snapshots", min(one.at for one in snapshots), _Chunk(snapshots=snapshots))
                self._decisions.note_snapshots(name, snapshots)
                written += 1
            while parcels := self._decisions.unarchived_parcels(_CHUNK_BYTES):
                name = self._write("parcels", min(one.at for one in parcels), _Chunk(parcels=parcels))
                self._decisions.note_parcels(name, parcels)
                written += 1
            return written

    def clear(self) -> int:
        """Remove the chunks of which the file has nothing any more; return their number.

        Raises:
            OSError: a chunk cannot be removed; the next call goes on.
        """
        with self._mutex:
            gone = self._decisions.dropped_chunks()
            for name in gone:
                self._store.remove(name)
                self._decisions.forget_chunk(name)
            return len(gone)

    def _unknown(self, folder: Folder) -> list[str]:
        """Return the chunks that were neither read nor written here, the newest first."""
        known = self._decisions.chunks()
        names = (f"{folder}/{name}" for name in self._store.files(folder))
        return sorted((name for name in names if name not in known), reverse=True)

    def _read(self, names: list[str]) -> Iterator[tuple[str, _Chunk]]:
        """Yield chunks in this order, reading some ahead; one that another Controller removed meanwhile is left out."""
        with ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(names), _READERS):
                some = names[start : start + _READERS]
                for name, chunk in zip(some, pool.map(self._read_chunk, some), strict=True):
                    if chunk is not None:
                        yield name, chunk

    def _read_chunk(self, name: str) -> _Chunk | None:
        try:
            body = self._store.read(name)
        except FileNotFoundError:
            return None
        try:
            return msgspec.msgpack.decode(body, type=_Chunk)
        except msgspec.MsgspecError:
            return _Chunk()  # not one of ours, or damaged: as if it were empty, so it is removed

    def _write(self, folder: Folder, at: float, chunk: _Chunk) -> str:
        name = f"{folder}/{max(0, int(at * 1_000)):013d}-{secrets.token_hex(8)}.chunk"
        self._store.write(name, msgspec.msgpack.encode(chunk))
        return name
