"""A spend book in a file, for tests that kill the writer: what it says is on disk whatever dies."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from rtb.events.rows import MoveRecord, Spend
from rtb.events.stream import START, id_order
from rtb.store import FolderStore


class _Kept(msgspec.Struct):
    position: str = START
    rows: list[Spend] = []


class FileSpendBook:
    """A book in one JSON file, replaced whole at each entry.

    Args:
        path: of the file; made at the first entry, in a folder that is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def position(self) -> str:
        """See `SpendBook.position`."""
        return self._kept().position

    def rows(self) -> list[Spend]:
        """Everything in the book, by hour and campaign."""
        return self._kept().rows

    def record_spend(
        self, rows: Sequence[Spend], position: str, moves: Sequence[MoveRecord] = (), *, since: str | None = None
    ) -> bool:
        """See `SpendBook.record_spend`.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            kept = self._kept()
            if id_order(position) <= id_order(kept.position) or (since is not None and since != kept.position):
                return False
            totals = {(row.hour, row.campaign): row for row in kept.rows}
            for row in rows:
                old = totals.get((row.hour, row.campaign), Spend(row.campaign, row.hour, 0, 0, 0, 0, 0))
                totals[row.hour, row.campaign] = Spend(
                    *row[:2], *(a + b for a, b in zip(old[2:], row[2:], strict=True))
                )
            book = _Kept(position, [row for _, row in sorted(totals.items())])
            FolderStore(self._path.parent).write(self._path.name, msgspec.json.encode(book))
        return True

    def _kept(self) -> _Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return _Kept()
