"""The catalog as the spend book of the event writer."""

from __future__ import annotations

from collections.abc import Sequence

from rtb.catalog.portfolios import Moved
from rtb.catalog.records import Spend
from rtb.catalog.store import Catalog
from rtb.events.spend import MoveRow, SpendRow


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

    def record_spend(self, rows: Sequence[SpendRow], position: str, moves: Sequence[MoveRow] = ()) -> None:
        """See `SpendBook.record_spend`.

        Raises:
            CatalogError: the database refuses; nothing was recorded.
        """
        entries = [
            Spend(
                campaign=row.number,
                hour=row.hour,
                settled=row.settled,
                micros=row.micros,
                wins=row.wins,
                clicks=row.clicks,
                conversions=row.conversions,
                last_event=position,
            )
            for row in rows
        ]
        self._catalog.record_spend(entries, position, moves=[Moved(*move) for move in moves])
