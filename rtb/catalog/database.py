"""The catalog's database: connection, migrations and transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, Row, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from rtb.catalog import migrate
from rtb.catalog.records import CatalogError

_BUSY_SECONDS = 30.0
"""How long SQLite waits for another writer."""

_POSTGRES_DEFAULTS = {
    "connect_timeout": 5,  # by itself it waits as long as TCP: minutes
    "client_encoding": "utf8",  # of a database in SQL_ASCII, the one of a machine without a locale, texts come as bytes
}
"""What a connection to PostgreSQL has where the URL does not say."""

_WRITES = "raybid_writes"
"""Execution option of transactions that will write."""


class Database:
    """A migrated database and its transactions. Any number of processes may open it at once.

    Args:
        url: SQLAlchemy URL.

    Raises:
        CatalogError: it cannot be opened, or was migrated by a newer Raybid.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise CatalogError("the catalog's URL is not one that SQLAlchemy can read") from error
        self._shown_url = parsed.render_as_string(hide_password=True)
        try:
            self._engine = _engine(parsed)
            self._writing = self._engine.execution_options(**{_WRITES: True})
            with self._writing.begin() as connection:
                migrate.upgrade(connection)
        except (SQLAlchemyError, CommandError, ImportError, OSError) as error:
            raise CatalogError(f"the catalog {self._shown_url} cannot be opened: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that will write.

        Raises:
            CatalogError: the database is unavailable or refuses; nothing was written.
        """
        with self._transaction(self._writing) as connection:
            yield connection

    def rows(self, query: Any) -> Sequence[Row[Any]]:
        """Return the rows of a query.

        Raises:
            CatalogError: the database is unavailable or refuses.
        """
        with self._transaction(self._engine) as connection:
            return connection.execute(query).all()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise CatalogError(f"the catalog {self._shown_url} does not answer: {error}") from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        ours = {name: value for name, value in _POSTGRES_DEFAULTS.items() if name not in url.query}
        return create_engine(url, pool_pre_ping=True, connect_args=ours)
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_pre_ping=True, connect_args={"timeout": _BUSY_SECONDS})
    _begin_explicitly(engine)
    return engine


def _begin_explicitly(engine: Engine) -> None:
    """Begin SQLite's transactions explicitly, which Python's driver omits before reads and schema changes.

    A transaction that will write takes the write lock at once: two that read first and write later would deadlock.
    """

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
