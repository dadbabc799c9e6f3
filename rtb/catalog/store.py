"""The catalog of campaigns in a database: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, Row, bindparam, create_engine, event, func, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from rtb.campaign import Campaign, decode_campaign, patch_campaign
from rtb.catalog import migrate, tables
from rtb.catalog.records import CampaignChanged, CampaignExists, CampaignUnknown, CatalogError, Change, Entry, Spend

_BUSY_SECONDS = 30.0
"""How long SQLite waits for another writer."""

_CONNECT_SECONDS = 5
"""How long a connection to PostgreSQL may take, where the URL says nothing else."""

_WRITES = "raybid_writes"
"""Execution option of transactions that will write."""

_POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")

_COUNTS = ("settled", "micros", "wins", "clicks", "conversions")


class Catalog:
    """Reads and writes campaigns. Calls block: from an event loop, run them in a thread.

    Opening one brings the database to the newest form; any number of processes may do so at once. Every method raises
    `CatalogError` when the database is away or refuses.

    Args:
        url: SQLAlchemy URL.

    Raises:
        CatalogError: the database cannot be opened, or a newer Raybid has been at it.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise CatalogError("the catalog's URL is none that SQLAlchemy can read") from error
        self._shown_url = parsed.render_as_string(hide_password=True)
        try:
            self._engine = _engine(parsed)
            self._writing = self._engine.execution_options(**{_WRITES: True})
            with self._writing.begin() as connection:
                migrate.upgrade(connection)
        except (SQLAlchemyError, CommandError, ImportError, OSError) as error:
            raise CatalogError(f"the catalog {self._shown_url} cannot be opened: {error}") from error

    def add(self, campaign: Campaign, actor: str = "unknown") -> Entry:
        """Keep a new campaign.

        Raises:
            CampaignExists: its id is taken.
        """
        now = datetime.now(UTC)
        row = {"id": campaign.id, "body": _encode(campaign), "created_at": now}
        with self._transaction(self._writing) as connection:
            try:
                key = connection.execute(tables.campaigns.insert().values(row)).inserted_primary_key
            except IntegrityError as error:
                raise CampaignExists(f"there is a campaign {campaign.id!r} already") from error
            assert key is not None
            entry = Entry(int(key[0]), campaign, now.timestamp())
            _record(connection, None, entry, actor, "create")
        return entry

    def change(
        self, campaign_id: str, expected_version: int | None, changes: Any, actor: str, action: str = "change"
    ) -> Entry:
        """Change a campaign, unless somebody else did so first.

        What leaves it as it was is no change: it raises no version and leaves no trace.

        Args:
            campaign_id: which.
            expected_version: the version the changes are meant for; None: whichever is current.
            changes: a whole `Campaign`, or a JSON merge patch (RFC 7396) of one, decoded.
            actor: who does it.
            action: what the history calls it.

        Raises:
            CampaignUnknown: there is none of this id.
            CampaignChanged: another version is current.
            CampaignError: the outcome is no valid campaign, or has another id.
        """
        return self._amend(campaign_id, expected_version, lambda campaign: _edited(campaign, changes), actor, action)

    def pause(self, campaign_id: str, actor: str, expected_version: int | None = None) -> Entry:
        """Let a campaign bid no more. Raises as `change` does."""
        return self.change(campaign_id, expected_version, {"status": "paused"}, actor, "pause")

    def resume(self, campaign_id: str, actor: str, expected_version: int | None = None) -> Entry:
        """Let a paused campaign bid again. Raises as `change` does."""
        return self.change(campaign_id, expected_version, {"status": "active"}, actor, "resume")

    def top_up(self, campaign_id: str, micros: int, actor: str, expected_version: int | None = None) -> Entry:
        """Raise a campaign's total budget by so many micros. Raises as `change` does."""

        def raised(campaign: Campaign) -> Campaign:
            return patch_campaign(campaign, {"budget": {"total_micros": campaign.budget.total_micros + micros}})

        return self._amend(campaign_id, expected_version, raised, actor, "top_up")

    def get(self, campaign_id: str) -> Entry | None:
        """The campaign of this id."""
        if "\0" in campaign_id:  # which PostgreSQL takes for an error rather than for a text
            return None
        rows = self._rows(select(tables.campaigns).where(tables.campaigns.c.id == campaign_id))
        return _entry(rows[0]) if rows else None

    def all(self) -> list[Entry]:
        """Every campaign, in order of their numbers."""
        return [_entry(row) for row in self._rows(select(tables.campaigns).order_by(tables.campaigns.c.number))]

    def revision(self) -> int:
        """A number that rises with each campaign created or changed. Read it before `all`, and nothing is missed."""
        return int(self._rows(select(tables.revision.c.value))[0].value)

    def history(self, campaign_id: str, limit: int = 1_000) -> list[Change]:
        """The last `limit` changes of a campaign, oldest first.

        Raises:
            CampaignUnknown: there is none of this id.
        """
        entry = self.get(campaign_id)
        if entry is None:
            raise _unknown(campaign_id)
        audit = tables.audit
        rows = self._rows(select(audit).where(audit.c.number == entry.number).order_by(audit.c.id.desc()).limit(limit))
        return [_change(row) for row in reversed(rows)]

    def mark_opened(self, numbers: Iterable[int]) -> None:
        """Keep in mind that the ledger has these campaigns' money. That changes no campaign: no version rises."""
        marks = [{"marked": number, "now": datetime.now(UTC)} for number in numbers]
        found = tables.campaigns.c
        query = update(tables.campaigns).where(found.number == bindparam("marked"), found.opened_at.is_(None))
        if marks:
            with self._transaction(self._writing) as connection:
                connection.execute(query.values(opened_at=bindparam("now")), marks)

    def record_spend(self, rows: Sequence[Spend], position: str, since: str | None = None) -> bool:
        """Add to the hours' figures, and keep in the same transaction how far the stream of events has been read.

        Args:
            rows: what to add; several may be of the same campaign and hour, in the order of their events.
            position: stream id (`milliseconds-sequence`) of the last event in them.
            since: the position after which they begin. Given, nothing is added when the catalog stands elsewhere, so
                that two consumers count nothing twice whatever their batches.

        Returns:
            Whether they were added: False when the catalog stands at `position` already or further.

        Raises:
            ValueError: no stream id.
        """
        order = _order(position)
        with self._transaction(self._writing) as connection:
            held = connection.execute(select(tables.position.c.value).with_for_update()).scalar_one()
            if _order(held) >= order or (since is not None and _order(held) != _order(since)):
                return False
            for row in rows:
                _add_spend(connection, row)
            connection.execute(update(tables.position).values(value=position))
        return True

    def position(self) -> str:
        """Stream id of the last event in the spend history; `0-0` before the first."""
        return str(self._rows(select(tables.position.c.value))[0].value)

    def spent(self, since: float = 0) -> dict[int, int]:
        """Micros spent by each campaign that spent anything, by number.

        Args:
            since: only hours that begin then or later, Unix time.
        """
        spend = tables.spend.c
        total = func.sum(spend.micros).label("total")
        query = select(spend.campaign, total).where(spend.hour >= since).group_by(spend.campaign)
        return {row.campaign: int(row.total) for row in self._rows(query)}  # PostgreSQL's sums are decimal

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _amend(
        self, campaign_id: str, expected: int | None, edit: Callable[[Campaign], Campaign], actor: str, action: str
    ) -> Entry:
        found = tables.campaigns.c
        query = select(tables.campaigns).where(found.id == campaign_id).with_for_update()
        with self._transaction(self._writing) as connection:
            row = None if "\0" in campaign_id else connection.execute(query).one_or_none()
            if row is None:
                raise _unknown(campaign_id)
            before = _entry(row)
            if expected is not None and expected != before.version:
                raise CampaignChanged(campaign_id, expected, before.version)
            after = before._replace(campaign=edit(before.campaign), version=before.version + 1)
            if after.campaign == before.campaign:
                return before
            _replace(connection, before, after)
            _record(connection, before, after, actor, action)
        return after

    def _rows(self, query: Any) -> Sequence[Row[Any]]:
        with self._transaction(self._engine) as connection:
            return connection.execute(query).all()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise CatalogError(f"the catalog {self._shown_url} does not answer: {error}") from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":  # whose own patience is that of TCP: minutes
        patience = {"connect_timeout": _CONNECT_SECONDS} if "connect_timeout" not in url.query else {}
        return create_engine(url, pool_pre_ping=True, connect_args=patience)
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_pre_ping=True, connect_args={"timeout": _BUSY_SECONDS})
    _begin_explicitly(engine)
    return engine


def _begin_explicitly(engine: Engine) -> None:
    """Give SQLite's transactions a beginning, which Python's driver leaves out before reads and table changes.

    One that will write takes the write lock at once: two that read first and write later would deadlock.
    """

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _edited(campaign: Campaign, changes: Any) -> Campaign:
    if isinstance(changes, Campaign):  # by the same checks as a patch: what code makes was never decoded
        return patch_campaign(changes, {"id": campaign.id})
    return patch_campaign(campaign, changes)


def _replace(connection: Connection, before: Entry, after: Entry) -> None:
    """Write the new version over the old one, and over no other: a last line of defence below the row's lock."""
    found = tables.campaigns.c
    query = update(tables.campaigns).where(found.number == before.number, found.version == before.version)
    done = connection.execute(query.values(body=_encode(after.campaign), version=after.version))
    if done.rowcount != 1:
        raise CampaignChanged(before.campaign.id, before.version, after.version)


def _record(connection: Connection, before: Entry | None, after: Entry, actor: str, action: str) -> None:
    """The line in the history and the catalog's next revision: in the transaction of what they tell about."""
    row = {
        "number": after.number,
        "at": datetime.now(UTC),
        "actor": actor,
        "action": action,
        "version": after.version,
        "before": None if before is None else _encode(before.campaign),
        "after": _encode(after.campaign),
    }
    connection.execute(tables.audit.insert().values(row))
    connection.execute(update(tables.revision).values(value=tables.revision.c.value + 1))


def _add_spend(connection: Connection, row: Spend) -> None:
    """Add to the hour's row, or make it. The lock on the position keeps others out meanwhile."""
    spend = tables.spend
    sums = {name: spend.c[name] + getattr(row, name) for name in _COUNTS}
    where = (spend.c.campaign == row.campaign, spend.c.hour == row.hour)
    done = connection.execute(update(spend).where(*where).values(**sums, last_event=row.last_event))
    if done.rowcount == 0:
        connection.execute(spend.insert().values(row._asdict()))


def _entry(row: Row[Any]) -> Entry:
    campaign, is_opened = decode_campaign(row.body.encode()), row.opened_at is not None
    return Entry(row.number, campaign, _unix(row.created_at), row.version, is_opened)


def _change(row: Row[Any]) -> Change:
    before = None if row.before is None else msgspec.json.decode(row.before)
    return Change(_unix(row.at), row.actor, row.action, row.version, before, msgspec.json.decode(row.after))


def _unknown(campaign_id: str) -> CampaignUnknown:
    return CampaignUnknown(f"there is no campaign {campaign_id!r}")


def _encode(campaign: Campaign) -> str:
    return msgspec.json.encode(campaign).decode()


def _order(position: str) -> tuple[int, int]:
    """Stream ids in their order, which is not that of their letters."""
    if not _POSITION.fullmatch(position):
        raise ValueError(f"{position[:60]!r} is no stream id")
    milliseconds, sequence = position.split("-")
    return int(milliseconds), int(sequence)


def _unix(moment: datetime) -> float:
    """Unix time; SQLite gives back what was UTC without saying so."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
