"""The one consumer of the stream: it writes events into Parquet and the spend book, and only then trims them.

A crash between any two of these steps loses nothing and counts nothing twice. The files hold the stream without a gap
and their names tell how far they reach, so writing continues after the last one; the book knows its own position, so
what it lacks is read back from the files; what is in both can be trimmed, now or at the next start.

A second writer elsewhere, whose host was only cut off, does no harm: both write runs of the same stream, readers go by
position, and the book takes an entry only where the one before it ended.

Besides, the files of each past hour are merged into one.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from rtb.events import merging, parquet
from rtb.events.parquet import EventRun, Part
from rtb.events.schema import to_table
from rtb.events.spend import SpendBook, move_rows, spend_rows
from rtb.events.stream import START, EventStream, StreamEntry, id_order
from rtb.runtime.quarantine import Fault
from rtb.store import Store


class WriterBusy(OSError):
    """Another process of this machine holds the writer's lock."""


class EventWriter:
    """The writer of events from the stream into files. Calls block, and may come from any thread.

    Args:
        stream: stream to read and trim.
        store: store of the files.
        book: record of spend.
        lock: file whose lock keeps a second writer on this machine out.
        batch: most events of one step and of one file. They take 3 kB each while they are moved.
        observe: callback for each table of events once it is in the files and in the book, in the draining thread.

    Attributes:
        faults: damaged files that were skipped, by name. Their spend is in the ledger, but not in the book.
    """

    def __init__(
        self,
        stream: EventStream,
        store: Store,
        book: SpendBook,
        lock: Path,
        batch: int = 500,
        *,
        observe: Callable[[pa.Table], None] = lambda table: None,
    ) -> None:
        self._stream = stream
        self._store = store
        self._lock_path = lock
        self._book = book
        self._batch = batch
        self._observe = observe
        self.faults: dict[str, Fault] = {}
        self._mutex = threading.Lock()
        self._merging = threading.Lock()
        self._closing = threading.Event()
        self._merged = self._forgotten = 0.0
        self._lock: int | None = None
        self._written = START
        self._booked: str | None = None
        self._trimmed = START

    def drain(self) -> int:
        """Write the events of the stream; return how many.

        Raises:
            WriterBusy: another process holds the lock.
            StreamError: the stream is older than the files.
            RedisError: the server does not answer. As after every other error, the next call continues.
            OSError: the store cannot be written.
        """
        with self._mutex:
            self._open()
            total = 0
            while True:
                count = self._step()
                total += count
                if count < self._batch:
                    return total

    def merge(self) -> int:
        """Merge the files of the first past hour that has several.

        May run beside `drain`, which writes into later hours.

        Returns:
            Number of removed files; 0 where each past hour has one file.

        Raises:
            WriterBusy: another process holds the lock.
            OSError: the store cannot be written. The next call continues.
        """
        with self._merging:
            with self._mutex:
                self._open()
                now = id_order(self._trimmed)[0] / 1_000  # in stream time: no event of an earlier hour can come
            for hour_folder in parquet.hour_folders(self._store, self._merged, now):
                try:
                    gone = merging.merge_hour(self._store, hour_folder, lambda: not self._closing.is_set())
                except parquet.UnreadableEvents as error:  # this hour stays unmerged, others are merged
                    self._leave_out(error.fault)
                    continue
                if gone:
                    self._merged = gone[0].hour
                if gone or self._closing.is_set():
                    return len(gone)
            self._merged = now
        return 0

    def forget(self, before: float) -> int:
        """Delete the files of hours before that of a moment, as far as their spend is in the book.

        Args:
            before: Unix time.

        Returns:
            Number of deleted files.

        Raises:
            WriterBusy: another process holds the lock.
            OSError: a file cannot be deleted. The next call continues.
        """
        with self._merging, self._mutex:
            self._open()
            booked, gone = id_order(self._book.position()), 0
            for hour_folder in parquet.hour_folders(self._store, self._forgotten, before):
                found = parquet.parts_in(self._store, hour_folder)
                if any(id_order(part.last) > booked for part in found):
                    return gone
                for part in found:
                    self._store.remove(part.name)
                gone += len(found)
                self._store.remove_folder(hour_folder)
            self._forgotten = max(self._forgotten, before)  # so that the next call lists later hours alone
            return gone

    def resume(self) -> None:
        """Continue a lost or rolled-back stream after the last event written; no process may be appending.

        Raises:
            WriterBusy: another process holds the lock.
            RedisError: the server does not answer.
            OSError: the store cannot be written.
        """
        with self._mutex:
            self._open()
            self._stream.continue_after(self._written, self._are_written)

    def _are_written(self, entries: Sequence[StreamEntry]) -> list[bool]:
        """Return which of these events are in the files, by id, kind and bid."""
        if not entries:
            return []
        milliseconds, number = id_order(entries[0].id)
        wanted = {entry.id for entry in entries}
        known: set[tuple[str, str, str | None]] = set()
        for run in parquet.runs(self._store, f"{milliseconds}-{number - 1}" if number else f"{milliseconds - 1}-0"):
            columns = (run.table.column(name).to_pylist() for name in ("id", "kind", "bid"))
            known |= {row for row in zip(*columns, strict=True) if row[0] in wanted}
        table = to_table(entries)
        return [row in known for row in zip(*(table.column(n).to_pylist() for n in ("id", "kind", "bid")), strict=True)]

    def close(self) -> None:
        """Release the lock; a running merge is cancelled."""
        self._closing.set()
        with self._merging, self._mutex:
            self._closing.clear()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _open(self) -> None:
        """Take the lock and find the last event written, once."""
        if self._lock is not None:
            return
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._store.remove_drafts()
            # The book is ahead only where files were deleted: their events are not written again.
            self._written = max(parquet.last_written(self._store), self._book.position(), key=id_order)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise WriterBusy(f"another process writes events into {self._store.url}") from error
            raise
        self._lock = descriptor

    def _step(self) -> int:
        self._stream.check(self._written)
        entries = self._stream.read(self._written, self._batch)
        booked, self._booked = self._booked, None
        parts: list[Part] = []
        for part in parquet.write_parts(self._store, entries):
            parts.append(part)
            self._written = part.last
        self._booked = position = self._account(booked, parts)
        if id_order(position) > id_order(self._trimmed):
            self._stream.trim(position)
            self._trimmed = position
        return len(entries)

    def _account(self, booked: str | None, parts: Sequence[Part]) -> str:
        """Record in the book what the files have beyond its position; return the new position.

        The position is read each time: only the book knows whether an entry that ended in an error was made.

        Args:
            booked: position that the last step ended at, with nothing left behind it; none: it is not known.
            parts: files written since.
        """
        position = self._book.position()
        for run in self._unbooked(position, parts if position == booked else None):
            if not self._book.record_spend(spend_rows(run), run.last, move_rows(run.table), since=position):
                return self._book.position()  # another writer's entry came first
            position = run.last
            self._observe(run.table)
        return position

    def _unbooked(self, position: str, parts: Sequence[Part] | None) -> Iterator[EventRun]:
        """Yield the events after a position: of these files, or of all that are there, where others may have some."""
        if parts is None:
            yield from parquet.runs(self._store, position, self._leave_out)
        else:
            for part in parts:
                yield from part.runs(position)

    def _leave_out(self, fault: Fault) -> None:
        self.faults[fault.name] = fault
