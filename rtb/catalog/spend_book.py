"""The catalog as the spend book of the event writer."""

from __future__ import annotations

from collections.abc import Sequence

from rtb.catalog.store import Catalog
from rtb.events.rows import MoveRecord, Spend


class CatalogSpendBook:
    """A spend book in the catalog: rows and position are one transaction. See `rtb.events.spend.SpendBook`.

    Args:
        catalog: the catalog.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def position(self) -> str:
        """See `SpendBook.position`."""
        return self._catalog.position()

    def record_spend(
        self, rows: Sequence[Spend], position: str, moves: Sequence[MoveRecord] = (), *, since: str | None = None
    ) -> bool:
        """See `SpendBook.record_spend`.

        Raises:
            CatalogError: the database refuses; nothing was recorded.
        """
        return self._catalog.record_spend(rows, position, moves, since=since)
