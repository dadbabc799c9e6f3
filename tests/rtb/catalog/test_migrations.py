"""Databases of every age are brought to today's form, by however many come at once."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, Text, create_engine, inspect, text

from rtb.catalog import Catalog, CatalogError, tables
from tests.rtb.builders import make_campaign

_CREATED = datetime(2026, 1, 5, 12, tzinfo=UTC)

_before = MetaData()
_campaigns_before = Table(
    "campaigns",
    _before,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("body", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""As the catalog made it before it had migrations."""


def _make_as_before(url: str, *names: str) -> None:
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    _before.create_all(engine)
    with engine.begin() as connection:
        for name in names:
            body = msgspec.to_builtins(make_campaign(name))
            del body["flight"], body["budget"]["daily_micros"], body["budget"]["timezone"]
            row = {"id": name, "body": msgspec.json.encode(body).decode(), "created_at": _CREATED}
            connection.execute(_campaigns_before.insert().values(row))
    engine.dispose()


def test_migrations_and_tables_say_the_same(catalog: Catalog, url: str):
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


def test_a_database_of_before_is_taken_over(url: str):
    _make_as_before(url, "spring", "summer")
    catalog = Catalog(url)
    entries = catalog.all()
    assert [entry.campaign for entry in entries] == [make_campaign("spring"), make_campaign("summer")]
    assert [(entry.number, entry.version, entry.created) for entry in entries] == [
        (1, 1, _CREATED.timestamp()),
        (2, 1, _CREATED.timestamp()),
    ]
    [line] = catalog.history("summer")
    assert (line.action, line.actor, line.at, line.before) == ("create", "unknown", _CREATED.timestamp(), None)
    assert line.after["id"] == "summer"
    assert catalog.revision() == 2
    assert catalog.change("spring", 1, {"name": "Spring"}, "anna").version == 2
    assert catalog.add(make_campaign("autumn")).number == 3
    catalog.close()


def test_many_take_over_a_database_of_before_at_once(url: str):
    _make_as_before(url, "spring")
    barrier = Barrier(6)

    def take_over(number: int) -> None:
        barrier.wait()
        catalog = Catalog(url)
        catalog.top_up("spring", 1, f"process {number}")
        catalog.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(take_over, range(6)))
    catalog = Catalog(url)
    assert [line.version for line in catalog.history("spring")] == list(range(1, 8))
    catalog.close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(url: str):
    _make_as_before(url, "spring")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE position (id INTEGER)"))  # in the way of the last step
    with pytest.raises(CatalogError, match="cannot be opened"):
        Catalog(url)
    assert sorted(inspect(engine).get_table_names()) == ["campaigns", "position"]
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE position"))
    engine.dispose()
    catalog = Catalog(url)
    assert len(catalog.all()) == 1
    catalog.close()


def test_a_database_of_a_newer_raybid_is_left_alone(catalog: Catalog, url: str):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(CatalogError, match="9999"):
        Catalog(url)


def test_opening_a_catalog_leaves_logging_alone(url: str):
    root = logging.getLogger()
    kept = logging.getLogger("somebody.else")
    before = (root.level, list(root.handlers), kept.disabled)
    Catalog(url).close()
    assert (root.level, list(root.handlers), kept.disabled) == before


def test_a_folder_with_a_percent_sign_is_no_obstacle(tmp_path: Path):
    catalog = Catalog(f"sqlite:///{tmp_path}/100%/catalog.sqlite")
    assert catalog.all() == []
    catalog.close()
