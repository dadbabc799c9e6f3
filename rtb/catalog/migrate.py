"""Migration of a database to the newest schema of the catalog."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text

_FOLDER = Path(__file__).parent / "migrations"

_FIRST = "0001"

_one_at_a_time = Lock()
"""Lock for Alembic, which keeps its state in module globals."""

_ADVISORY_KEY = 0x52617962
"""Key of PostgreSQL's advisory lock: the letters `Rayb`."""


def upgrade(connection: Connection) -> None:
    """Run the missing migrations in the caller's transaction: all of them or none.

    Args:
        connection: in a transaction; on SQLite one that holds the write lock, so that processes take turns.

    Raises:
        alembic.util.CommandError: the database is newer than this code.
        sqlalchemy.exc.SQLAlchemyError: the database refuses.
    """
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _one_at_a_time:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY})
        tables = inspect(connection).get_table_names()
        if "campaigns" in tables and "alembic_version" not in tables:  # created before there were migrations
            command.stamp(config, _FIRST)
        command.upgrade(config, "head")
