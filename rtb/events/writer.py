"""The one consumer of the stream: into Parquet, into the spend book, and only then out of the stream.

A crash between any two of these steps loses nothing and doubles nothing. The files hold the stream without a gap and
say by their names how far they reach, so writing goes on after the last of them; the book says how far it reaches
itself, so what it lacks is read back from the files; what is in both can be trimmed, now or at the next start.

Beside that, the files of hours that are over become one each.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from rtb.events import merging, parquet
from rtb.events.schema import to_table
from rtb.events.spend import SpendBook, move_rows, spend_rows
from rtb.events.stream import START, Entry, EventStream, place
from rtb.quarantine import Fault

_LOCK = ".writer.lock"


class WriterBusy(OSError):
    """Another process writes into this folder."""


class EventWriter:
    """Moves events from the stream into files. Calls block, and may come from any thread.

    Args:
        stream: to read and trim.
        folder: of the files.
        book: takes the spend.
        batch: events taken at once; a file holds no more. They take 3 kB each while they are moved.
        observe: shown each table of events once it is in the files and in the book, in the thread that drains.

    Attributes:
        faults: damaged files that were passed over, by name. What was spent in them is in the ledger, not in the book.
    """

    def __init__(
        self,
        stream: EventStream,
        folder: Path,
        book: SpendBook,
        batch: int = 500,
        *,
        observe: Callable[[pa.Table], None] = lambda table: None,
    ) -> None:
        self._stream = stream
        self._folder = folder
        self._book = book
        self._batch = batch
        self._observe = observe
        self.faults: dict[str, Fault] = {}
        self._mutex = threading.Lock()
        self._merging = threading.Lock()
        self._closing = threading.Event()
        self._merged = 0.0
        self._lock: int | None = None
        self._written = START
        self._trimmed = START

    def drain(self) -> int:
        """Write what the stream holds; events written.

        Raises:
            WriterBusy: another writer is at work in the folder.
            StreamError: the stream is older than the files.
            RedisError: the server does not answer. As after every other error, calling again goes on.
            OSError: the folder cannot be written.
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
        """Make one file of those of an hour that is over: of the first that has several.

        May run beside `drain`, which writes into later hours.

        Returns:
            Files that are gone; 0 when each hour that is over has one file.

        Raises:
            WriterBusy: another writer is at work in the folder.
            OSError: the folder cannot be written. Calling again goes on.
        """
        with self._merging:
            with self._mutex:
                self._open()
                now = place(self._trimmed)[0] / 1_000  # as the stream has it: no event of an earlier hour can come
            for hour_folder in parquet.hour_folders(self._folder, self._merged, now):
                try:
                    gone = merging.merge_hour(hour_folder, lambda: not self._closing.is_set())
                except parquet.UnreadableEvents as error:  # the hour stays as it is, others are merged
                    self._leave_out(error.fault)
                    continue
                if gone:
                    self._merged = gone[0].hour
                if gone or self._closing.is_set():
                    return len(gone)
            self._merged = now
        return 0

    def forget(self, before: float) -> int:
        """Delete the files of hours before that of a moment, as far as the book has what they say of money.

        Args:
            before: Unix time.

        Returns:
            Files that are gone.

        Raises:
            WriterBusy: another writer is at work in the folder.
            OSError: a file cannot be deleted. Calling again goes on.
        """
        with self._merging, self._mutex:
            self._open()
            booked, gone = place(self._book.position()), 0
            for hour_folder in parquet.hour_folders(self._folder, 0.0, before):
                found = parquet.parts_in(hour_folder)
                if any(place(part.last) > booked for part in found):
                    break
                for part in found:
                    part.path.unlink()
                gone += len(found)
                hour_folder.rmdir()
                if not any(hour_folder.parent.iterdir()):
                    hour_folder.parent.rmdir()
            return gone

    def resume(self) -> None:
        """Let a stream that was lost or rolled back go on after the last event written; no process may be appending.

        Raises:
            WriterBusy: another writer is at work in the folder.
            RedisError: the server does not answer.
            OSError: the folder cannot be written.
        """
        with self._mutex:
            self._open()
            self._stream.continue_after(self._written, self._are_written)

    def _are_written(self, entries: Sequence[Entry]) -> list[bool]:
        """Whether the files have these events: by their ids, and by what they are about."""
        if not entries:
            return []
        milliseconds, number = place(entries[0].id)
        wanted = {entry.id for entry in entries}
        known: set[tuple[str, str, str | None]] = set()
        for run in parquet.runs(self._folder, f"{milliseconds}-{number - 1}" if number else f"{milliseconds - 1}-0"):
            columns = (run.table.column(name).to_pylist() for name in ("id", "kind", "bid"))
            known |= {row for row in zip(*columns, strict=True) if row[0] in wanted}
        table = to_table(entries)
        return [row in known for row in zip(*(table.column(n).to_pylist() for n in ("id", "kind", "bid")), strict=True)]

    def close(self) -> None:
        """Let another process write; a merge that runs is given up."""
        self._closing.set()
        with self._merging, self._mutex:
            self._closing.clear()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _open(self) -> None:
        """Take the folder, and see how far it reaches; once."""
        if self._lock is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            parquet.remove_drafts(self._folder)
            # The book is ahead only where files were deleted: what they held is not written again.
            self._written = max(parquet.last_written(self._folder), self._book.position(), key=place)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise WriterBusy(f"another process writes events into {self._folder}") from error
            raise
        self._lock = descriptor

    def _step(self) -> int:
        self._stream.check(self._written)
        entries = self._stream.read(self._written, self._batch)
        for part in parquet.write_parts(self._folder, entries):
            self._written = part.last
        position = self._account()
        if place(position) > place(self._trimmed):
            self._stream.trim(position)
            self._trimmed = position
        return len(entries)

    def _account(self) -> str:
        """Enter into the book what the files have more than it; its position then.

        The book is asked each time: whether an entry that ended in an error was made, only it knows.
        """
        position = self._book.position()
        for run in parquet.runs(self._folder, position, self._leave_out):
            self._book.record_spend(spend_rows(run), run.last, move_rows(run.table))
            position = run.last
            self._observe(run.table)
        return position

    def _leave_out(self, fault: Fault) -> None:
        self.faults[fault.name] = fault
