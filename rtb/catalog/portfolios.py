"""Portfolios of record: their definition, the state of their strategy, and their budget moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Row, func, select, update
from sqlalchemy.exc import IntegrityError

from rtb.catalog import tables
from rtb.catalog.database import Database
from rtb.catalog.records import unix_time
from rtb.catalog.versions import Expected, VersionChanged, is_expected
from rtb.events.rows import MoveRecord


class PortfolioExists(ValueError):
    """A portfolio of this id exists already."""


class PortfolioUnknown(LookupError):
    """There is no portfolio of this id."""


class PortfolioChanged(VersionChanged):
    """A conflicting change of the portfolio."""

    kind = "portfolio"


class PortfolioRecord(NamedTuple):
    """A portfolio of record.

    Attributes:
        id: unique id.
        body: definition as JSON.
        version: 1 when it is created, one more with each change.
        created: Unix time.
        state: state of its strategy as JSON; empty before its first decision.
    """

    id: str
    body: str
    version: int
    created: float
    state: str = ""


class PortfolioBook:
    """The stored portfolios; calls block, and raise `CatalogError` when the database is unavailable or refuses.

    Args:
        database: database of the catalog.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, body: str, check: Callable[[Sequence[PortfolioRecord]], None]) -> PortfolioRecord:
        """Store a new portfolio.

        Args:
            name: its id.
            body: see `PortfolioRecord`.
            check: function of all others, called in the transaction, which raises what speaks against it.

        Raises:
            PortfolioExists: its id is taken.
        """
        now = datetime.now(UTC)
        row = {"id": name, "body": body, "version": 1, "created_at": now}
        with self._database.writing() as connection:
            check(_all(connection))
            try:
                connection.execute(tables.portfolios.insert().values(row))
            except IntegrityError as error:
                raise PortfolioExists(f"there is a portfolio {name!r} already") from error
        return PortfolioRecord(name, body, 1, now.timestamp())

    def change(
        self,
        name: str,
        expected_version: Expected,
        edit: Callable[[str], str],
        check: Callable[[Sequence[PortfolioRecord]], None],
    ) -> PortfolioRecord:
        """Change a portfolio, unless somebody else changed it first.

        Args:
            name: its id.
            expected_version: version that the change is meant for.
            edit: function of the old definition that returns the new one.
            check: function of all as they will be, called in the transaction, which raises what speaks against it.

        Raises:
            PortfolioUnknown: there is no portfolio of this id.
            PortfolioChanged: another version is current.
        """
        with self._database.writing() as connection:
            before = _found(connection, name, expected_version)
            after = before._replace(body=edit(before.body), version=before.version + 1)
            if after.body == before.body:
                return before
            check([after if one.id == name else one for one in _all(connection)])
            where = tables.portfolios.c.id == name
            connection.execute(update(tables.portfolios).where(where).values(body=after.body, version=after.version))
        return after

    def delete(self, name: str, expected_version: Expected) -> None:
        """Delete a portfolio. Budgets it moved stay where they are. Raises as `change` does."""
        with self._database.writing() as connection:
            _found(connection, name, expected_version)
            connection.execute(tables.portfolios.delete().where(tables.portfolios.c.id == name))

    def all(self) -> list[PortfolioRecord]:
        """Return every portfolio, ordered by id."""
        return [_record(row) for row in self._database.rows(_ordered())]

    def get(self, name: str) -> PortfolioRecord:
        """Return one portfolio.

        Raises:
            PortfolioUnknown: there is no portfolio of this id.
        """
        rows = [] if "\0" in name else self._database.rows(_ordered().where(tables.portfolios.c.id == name))
        if not rows:
            raise PortfolioUnknown(f"there is no portfolio {name[:60]!r}")
        return _record(rows[0])

    def carry(self, name: str, state: str) -> None:
        """Store the state of a portfolio's strategy; do nothing where the portfolio is gone."""
        where = tables.portfolios.c.id == name
        with self._database.writing() as connection:
            connection.execute(update(tables.portfolios).where(where).values(state=state))

    def moves(self, name: str, limit: int = 100) -> list[MoveRecord]:
        """Return the last budget moves of a portfolio, oldest first."""
        found = tables.moves
        query = select(found).where(found.c.portfolio == name).order_by(found.c.number.desc()).limit(limit)
        return [_moved(row) for row in reversed([] if "\0" in name else self._database.rows(query))]

    def moved(self) -> dict[int, int]:
        """Return the net micros moved to each campaign, below 0 where more went to others, by number."""
        got, given = self._moved_by(tables.moves.c.target), self.given()
        return {number: got.get(number, 0) - given.get(number, 0) for number in (*got, *given)}

    def given(self) -> dict[int, int]:
        """Return the micros moved from each campaign to others, whatever came back, by number."""
        return self._moved_by(tables.moves.c.source)

    def _moved_by(self, end: Column[int]) -> dict[int, int]:
        query = select(end.label("campaign"), func.sum(tables.moves.c.micros).label("total")).group_by(end)
        return {row.campaign: int(row.total) for row in self._database.rows(query)}


def record_moves(connection: Connection, moves: Sequence[MoveRecord]) -> None:
    """Store budget moves, in the transaction of the position that they reach."""
    if moves:
        rows = [one._asdict() | {"at": datetime.fromtimestamp(one.at, UTC)} for one in moves]
        connection.execute(tables.moves.insert(), rows)


def _ordered() -> Any:
    return select(tables.portfolios).order_by(tables.portfolios.c.id)


def _all(connection: Connection) -> list[PortfolioRecord]:
    return [_record(row) for row in connection.execute(_ordered().with_for_update()).all()]


def _found(connection: Connection, name: str, expected: Expected) -> PortfolioRecord:
    """Return a portfolio, locked until the transaction ends."""
    query = _ordered().where(tables.portfolios.c.id == name).with_for_update()
    row = None if "\0" in name else connection.execute(query).one_or_none()
    if row is None:
        raise PortfolioUnknown(f"there is no portfolio {name[:60]!r}")
    if not is_expected(expected, row.version):
        raise PortfolioChanged(name, expected, row.version)
    return _record(row)


def _record(row: Row[Any]) -> PortfolioRecord:
    return PortfolioRecord(row.id, row.body, row.version, unix_time(row.created_at), row.state)


def _moved(row: Row[Any]) -> MoveRecord:
    return MoveRecord(row.portfolio, unix_time(row.at), row.source, row.target, row.micros, row.because)
