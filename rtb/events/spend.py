"""Spend of campaigns by hour, from the events: recorded once, together with the position it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from rtb.events.parquet import Run


class SpendRow(NamedTuple):
    """An increment to the spend of a campaign in an hour.

    Attributes:
        number: number of the campaign.
        hour: Unix second at which the hour begins, by the ids of the stream.
        settled: number of charges.
        micros: sum of the charges.
        wins: number of win notices.
        clicks: number of click notices.
        conversions: number of conversion notices.
    """

    number: int
    hour: int
    settled: int
    micros: int
    wins: int
    clicks: int
    conversions: int


class MoveRow(NamedTuple):
    """Budget moved from one campaign to another.

    Attributes:
        portfolio: id of the portfolio.
        at: Unix time.
        source: number of the campaign that gave budget.
        target: number of the campaign that got it.
        micros: amount, above 0.
        because: reason, for people.
    """

    portfolio: str
    at: float
    source: int
    target: int
    micros: int
    because: str


class SpendBook(Protocol):
    """A record of spend by campaign and hour, of budget moves, and of the stream position that both reach."""

    def position(self) -> str:
        """Return the id of the last event in the book; `0-0` for an empty one."""
        ...

    def record_spend(self, rows: Sequence[SpendRow], position: str, moves: Sequence[MoveRow] = ()) -> None:
        """Add rows and advance to a position atomically; do nothing where it is reached already."""
        ...


def tally(table: pa.Table) -> list[tuple[int, str, str | None, int, int]]:
    """Return event counts: `(campaign, kind, outcome, count, sum of price_micros)`, without events of no campaign."""
    groups = table.group_by(["campaign", "kind", "outcome"]).aggregate([("id", "count"), ("price_micros", "sum")])
    names = ("campaign", "kind", "outcome", "id_count", "price_micros_sum")
    rows = zip(*(groups.column(name).to_pylist() for name in names), strict=True)
    return [(c, kind, outcome, count, micros or 0) for c, kind, outcome, count, micros in rows if c is not None]


def spend_rows(run: Run) -> list[SpendRow]:
    """Return the spend that events add to their hour; unfunded charges are neither spend nor wins."""
    found: dict[int, dict[str, int]] = {}
    for campaign, kind, outcome, count, micros in tally(run.table):
        if kind == "bid" or outcome not in ("settled", "counted"):
            continue
        row = found.setdefault(campaign, dict.fromkeys(("settled", "micros", "win", "click", "conversion"), 0))
        if outcome == "settled":
            row["settled"] += count
            row["micros"] += micros
        if kind in row:
            row[kind] += count
    columns = ((number, run.hour, *row.values()) for number, row in sorted(found.items()))
    return [SpendRow(*values) for values in columns if any(values[2:])]


def move_rows(table: pa.Table) -> list[MoveRow]:
    """Return the budget moves among events, in order."""
    moved = table.filter(pc.equal(table.column("kind"), "move"))
    at = pc.divide(pc.cast(pc.cast(moved.column("at"), pa.int64()), pa.float64()), 1e6)
    names = ("source", "target", "micros", "because")
    columns = dict(zip(names, ("campaign", "target", "price_micros", "because"), strict=True))
    told = {name: moved.column(column).to_pylist() for name, column in columns.items()}
    rows = zip(moved.column("portfolio").to_pylist(), at.to_pylist(), *told.values(), strict=True)
    return [MoveRow(*row) for row in rows]
