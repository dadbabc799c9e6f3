"""The catalog of campaigns in a database: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, Text, create_engine, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from rtb.campaign import Campaign, decode_campaign

_metadata = MetaData()

_campaigns = Table(
    "campaigns",
    _metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("body", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)


class CatalogError(RuntimeError):
    """The database cannot be reached or refuses; the message says which and why."""


class CampaignExists(ValueError):
    """A campaign of this id is there already."""


class Entry(NamedTuple):
    """A campaign of record.

    Attributes:
        number: stable and never reused: its name in the ledger and in arrays.
        campaign: as its owner describes it.
        created: Unix time, when its flight starts.
    """

    number: int
    campaign: Campaign
    created: float


class Catalog:
    """Reads and writes campaigns. Calls block: from an event loop, run them in a thread.

    Args:
        url: SQLAlchemy URL.

    Raises:
        CatalogError: the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise CatalogError("the catalog's URL is none that SQLAlchemy can read") from error
        self._shown_url = parsed.render_as_string(hide_password=True)
        file = parsed.database if parsed.get_backend_name() == "sqlite" else None
        try:
            if file and file != ":memory:":
                Path(file).parent.mkdir(parents=True, exist_ok=True)
            self._engine = create_engine(url, pool_pre_ping=True)
            with self._engine.begin() as connection:  # not `create_all`, which looks first and then creates
                connection.execute(CreateTable(_campaigns, if_not_exists=True))
        except (SQLAlchemyError, ImportError, OSError) as error:
            raise CatalogError(f"the catalog {self._shown_url} cannot be opened: {error}") from error

    def add(self, campaign: Campaign) -> Entry:
        """Keep a new campaign.

        Raises:
            CampaignExists: its id is taken.
            CatalogError: the database refuses.
        """
        now = datetime.now(UTC)
        body = msgspec.json.encode(campaign).decode()
        try:
            with self._engine.begin() as connection:
                result = connection.execute(_campaigns.insert().values(id=campaign.id, body=body, created_at=now))
        except IntegrityError as error:
            raise CampaignExists(f"there is a campaign {campaign.id!r} already") from error
        except SQLAlchemyError as error:
            raise self._refused(error) from error
        key = result.inserted_primary_key
        assert key is not None
        return Entry(int(key[0]), campaign, now.timestamp())

    def get(self, campaign_id: str) -> Entry | None:
        """The campaign of this id."""
        rows = self._select(_campaigns.c.id == campaign_id)
        return rows[0] if rows else None

    def all(self) -> list[Entry]:
        """Every campaign, in order of their numbers."""
        return self._select()

    def size(self) -> int:
        """How many there are: cheap, and enough to see whether something was added."""
        try:
            with self._engine.connect() as connection:
                return int(connection.execute(select(func.count()).select_from(_campaigns)).scalar_one())
        except SQLAlchemyError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _select(self, *conditions: object) -> list[Entry]:
        query = select(_campaigns).where(*conditions).order_by(_campaigns.c.number)  # type: ignore[arg-type]
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
        except SQLAlchemyError as error:
            raise self._refused(error) from error
        return [Entry(row.number, decode_campaign(row.body.encode()), _unix(row.created_at)) for row in rows]

    def _refused(self, error: SQLAlchemyError) -> CatalogError:
        return CatalogError(f"the catalog {self._shown_url} does not answer: {error}")


def _unix(moment: datetime) -> float:
    """Unix time; SQLite gives back what was UTC without saying so."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
