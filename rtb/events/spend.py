"""Spend of campaigns by hour, from the events: recorded once, together with the position it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from rtb.events.parquet import EventRun
from rtb.events.rows import MoveRecord, Spend


class SpendBook(Protocol):
    """A record of spend by campaign and hour, of budget moves, and of the stream position that both reach."""

    def position(self) -> str:
        """Return the id of the last event in the book; `0-0` for an empty one."""
        ...

    def record_spend(
        self, rows: Sequence[Spend], position: str, moves: Sequence[MoveRecord] = (), *, since: str | None = None
    ) -> bool:
        """Add rows and advance to a position atomically; return whether that was done.

        Nothing is done where the position is reached already, or the book is not at `since`, where the rows begin.
        """
        ...


def tally(table: pa.Table) -> list[tuple[int, str, str | None, int, int]]:
    """Return event counts: `(campaign, kind, outcome, count, sum of price_micros)`, without events of no campaign."""
    groups = table.group_by(["campaign", "kind", "outcome"]).aggregate([("id", "count"), ("price_micros", "sum")])
    names = ("campaign", "kind", "outcome", "id_count", "price_micros_sum")
    rows = zip(*(groups.column(name).to_pylist() for name in names), strict=True)
    return [(c, kind, outcome, count, micros or 0) for c, kind, outcome, count, micros in rows if c is not None]


def spend_rows(run: EventRun) -> list[Spend]:
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
    return [Spend(*values) for values in columns if any(values[2:])]


def move_rows(table: pa.Table) -> list[MoveRecord]:
    """Return the budget moves among events, in order."""
    moved = table.filter(pc.equal(table.column("kind"), "move"))
    at = pc.divide(pc.cast(pc.cast(moved.column("at"), pa.int64()), pa.float64()), 1e6)
    names = ("source", "target", "micros", "because")
    columns = dict(zip(names, ("campaign", "target", "price_micros", "because"), strict=True))
    told = {name: moved.column(column).to_pylist() for name, column in columns.items()}
    rows = zip(moved.column("portfolio").to_pylist(), at.to_pylist(), *told.values(), strict=True)
    return [MoveRecord(*row) for row in rows]
