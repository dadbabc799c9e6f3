"""The catalog as the book that the writer of events enters spend into."""

from __future__ import annotations

from collections.abc import Sequence

from rtb.catalog.store import Catalog
from rtb.events.rows import Moved, Spend


class CatalogSpendBook:
    """See `rtb.events.spend.SpendBook`: rows and position are one transaction of the catalog.

    Args:
        catalog: where campaigns of record, and what they spent by the hour, are kept.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def position(self) -> str:
        """See `SpendBook.position`."""
        return self._catalog.position()

    def record_spend(self, rows: Sequence[Spend], position: str, moves: Sequence[Moved] = ()) -> None:
        """See `SpendBook.record_spend`.

        Raises:
            CatalogError: the database refuses; nothing was added.
        """
        self._catalog.record_spend(rows, position, moves)
