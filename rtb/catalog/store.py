"""The catalog of campaigns in a database: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError

from rtb.campaigns.campaign import Campaign, CampaignError, check_places, decode_campaign, patch_campaign
from rtb.campaigns.conversion import RateOf, in_platform_currency, no_rate, with_rate
from rtb.campaigns.creative import Creative
from rtb.catalog import receipts, tables
from rtb.catalog.database import Database
from rtb.catalog.keys import KeyBook
from rtb.catalog.portfolios import PortfolioBook, record_moves
from rtb.catalog.receipts import IdempotentRequest, ReceiptBook
from rtb.catalog.records import (
    CampaignArchived,
    CampaignChanged,
    CampaignExists,
    CampaignUnknown,
    CatalogEntry,
    CatalogError,
    Change,
    CreativeExists,
    CreativeUnknown,
    LoadedCampaigns,
    Page,
    unix_time,
)
from rtb.catalog.versions import Expected, is_expected
from rtb.events.rows import MoveRecord, Spend
from rtb.money.accounts import MOST_CAMPAIGNS
from rtb.runtime.quarantine import RECORD_ERRORS, Fault

_POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")

_COUNTS = ("settled", "micros", "wins", "clicks", "conversions")


class Catalog:
    """The campaigns of record. Calls block: from an event loop, run them in a thread.

    Opening the catalog migrates its database; any number of processes may do so at once. Every method raises
    `CatalogError` when the database is unavailable or refuses.

    Args:
        url: SQLAlchemy URL.

    Raises:
        CatalogError: the database cannot be opened, or was migrated by a newer Raybid.

    Attributes:
        keys: API keys.
        receipts: answers to idempotent requests.
        portfolios: portfolios of campaigns.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.keys = KeyBook(self._database)
        self.receipts = ReceiptBook(self._database)
        self.portfolios = PortfolioBook(self._database)

    def add(
        self,
        campaign: Campaign,
        actor: str = "unknown",
        once: IdempotentRequest[CatalogEntry] | None = None,
        rate_of: RateOf = no_rate,
    ) -> CatalogEntry:
        """Store a new campaign.

        Args:
            campaign: the campaign.
            actor: who creates it.
            once: what makes a repeated request known.
            rate_of: finds the rate for a currency of its own, where it names none.

        Raises:
            CampaignExists: its id is taken.
            CampaignError: it is archived from the start, or has a currency without a rate.
            Repeated: the same request created it already.
        """
        with self._database.writing() as connection:
            receipts.claim(connection, once)
            entry = _add(connection, with_rate(campaign, rate_of), datetime.now(UTC), actor)
            receipts.fill(connection, once, entry)
        return entry

    def add_all(self, campaigns: Sequence[Campaign], actor: str = "unknown") -> list[CatalogEntry]:
        """Store many new campaigns, all or none, in one transaction. Raises as `add` does."""
        now = datetime.now(UTC)
        with self._database.writing() as connection:
            return [_add(connection, with_rate(campaign), now, actor) for campaign in campaigns]

    def change(
        self,
        campaign_id: str,
        expected_version: Expected,
        changes: Any,
        actor: str,
        action: str = "change",
        *,
        rate_of: RateOf = no_rate,
    ) -> CatalogEntry:
        """Change a campaign, unless somebody else changed it first.

        An edit without effect raises no version and is not recorded.

        Args:
            campaign_id: id of the campaign.
            expected_version: version that the changes are meant for; none: whichever is current.
            changes: a whole `Campaign`, or a JSON merge patch (RFC 7396) of one, decoded.
            actor: who makes the change.
            action: name of the change in the history.
            rate_of: finds the rate for a currency of its own, where it names none.

        Raises:
            CampaignUnknown: there is no campaign of this id.
            CampaignChanged: another version is current.
            CampaignArchived: it is archived.
            CampaignError: the result is not a valid campaign, has another id, would be archived, or has a currency
                without a rate.
        """

        def edited(campaign: Campaign) -> Campaign:
            after = _edited(campaign, changes)
            if after.status == "archived":
                raise CampaignError("a campaign is archived by deleting it - at `$.status`")
            check_places(after.targeting, campaign.targeting)
            return with_rate(after, rate_of)

        return self._amend(campaign_id, expected_version, edited, actor, action)

    def pause(self, campaign_id: str, actor: str, expected_version: Expected = None) -> CatalogEntry:
        """Pause a campaign. Raises as `change` does."""
        return self.change(campaign_id, expected_version, {"status": "paused"}, actor, "pause")

    def resume(self, campaign_id: str, actor: str, expected_version: Expected = None) -> CatalogEntry:
        """Resume a paused campaign. Raises as `change` does."""
        return self.change(campaign_id, expected_version, {"status": "active"}, actor, "resume")

    def archive(self, campaign_id: str, actor: str, expected_version: Expected) -> CatalogEntry:
        """Archive a campaign: it never bids again and is no longer listed. Its money and history stay.

        Raises as `change` does, except that archiving again changes nothing.
        """

        def archived(campaign: Campaign) -> Campaign:
            return patch_campaign(campaign, {"status": "archived"})

        return self._amend(campaign_id, expected_version, archived, actor, "archive")

    def add_creative(
        self,
        campaign_id: str,
        creative: Creative,
        actor: str,
        expected_version: Expected = None,
        once: IdempotentRequest[CatalogEntry] | None = None,
    ) -> CatalogEntry:
        """Add a creative to a campaign. Raises as `change` does, and more.

        Raises:
            CreativeExists: it has one of this id.
            Repeated: the same request added it already.
        """

        def grown(campaign: Campaign) -> Campaign:
            if any(creative.id == known.id for known in campaign.creatives):
                raise CreativeExists(f"campaign {campaign_id!r} has a creative {creative.id!r} already")
            return patch_campaign(campaign, {"creatives": msgspec.to_builtins((*campaign.creatives, creative))})

        return self._amend(campaign_id, expected_version, grown, actor, "add_creative", once=once)

    def drop_creative(
        self, campaign_id: str, creative_id: str, actor: str, expected_version: Expected = None
    ) -> CatalogEntry:
        """Remove a creative from a campaign. Raises as `change` does, and more.

        Raises:
            CreativeUnknown: the campaign has none of this id.
        """

        def shrunk(campaign: Campaign) -> Campaign:
            kept = [creative for creative in campaign.creatives if creative.id != creative_id]
            if len(kept) == len(campaign.creatives):
                raise CreativeUnknown(f"campaign {campaign_id!r} has no creative {creative_id[:60]!r}")
            return patch_campaign(campaign, {"creatives": msgspec.to_builtins(kept)})

        return self._amend(campaign_id, expected_version, shrunk, actor, "drop_creative")

    def top_up(
        self,
        campaign_id: str,
        micros: int,
        actor: str,
        expected_version: Expected = None,
        once: IdempotentRequest[CatalogEntry] | None = None,
    ) -> CatalogEntry:
        """Raise a campaign's total budget by so many micros of its currency. Raises as `change` does, and more.

        Raises:
            Repeated: the same request raised it already.
        """

        def raised(campaign: Campaign) -> Campaign:
            return patch_campaign(campaign, {"budget": {"total_micros": campaign.budget.total_micros + micros}})

        return self._amend(campaign_id, expected_version, raised, actor, "top_up", once=once)

    def get(self, campaign_id: str) -> CatalogEntry | None:
        """Return the campaign of this id, if there is one."""
        if "\0" in campaign_id:  # PostgreSQL refuses NUL in text
            return None
        rows = self._database.rows(select(tables.campaigns).where(tables.campaigns.c.id == campaign_id))
        return _entry(rows[0]) if rows else None

    def load(self) -> LoadedCampaigns:
        """Return every campaign in order of their numbers, with amounts in the platform's currency.

        An unreadable one does not affect the others.
        """
        entries: list[CatalogEntry] = []
        faults: list[Fault] = []
        for row in self._database.rows(select(tables.campaigns).order_by(tables.campaigns.c.number)):
            try:
                entry = _entry(row)
                entries.append(entry._replace(campaign=in_platform_currency(entry.campaign)))
            except RECORD_ERRORS as error:
                faults.append(Fault.of("campaign", str(row.id), error))
        return LoadedCampaigns(entries, faults)

    def all(self) -> list[CatalogEntry]:
        """Return every readable campaign, in order of their numbers, with amounts in the platform's currency."""
        return self.load().entries

    def page(
        self,
        after: int = 0,
        limit: int = 100,
        *,
        status: Literal["active", "paused", "archived", "all"] | None = None,
        text: str = "",
    ) -> Page:
        """Return a page of campaigns, in order of their numbers.

        Args:
            after: number after which the page begins.
            limit: most campaigns on it.
            status: status to select; none: all but archived ones.
            text: text to find in id or name, in any case.
        """
        query = select(tables.campaigns).where(tables.campaigns.c.number > after).order_by(tables.campaigns.c.number)
        wanted, sought = {"active", "paused"} if status is None else {status}, text.casefold()
        found: list[CatalogEntry] = []
        for row in self._database.rows(query):
            try:
                entry = _entry(row)
            except RECORD_ERRORS:  # the Controller reports it: see `load`
                continue
            campaign = entry.campaign
            is_sought = sought in campaign.id.casefold() or sought in campaign.name.casefold()
            if is_sought and (status == "all" or campaign.status in wanted):
                if len(found) == limit:
                    return Page(found, found[-1].number)
                found.append(entry)
        return Page(found, None)

    def revision(self) -> int:
        """Return a number that rises with each campaign created or changed; read before `all`, no change is missed."""
        return int(self._database.rows(select(tables.revision.c.value))[0].value)

    def history(self, campaign_id: str, limit: int = 1_000) -> list[Change]:
        """Return the last `limit` changes of a campaign, oldest first.

        Raises:
            CampaignUnknown: there is no campaign of this id.
        """
        entry = self.get(campaign_id)
        if entry is None:
            raise _unknown(campaign_id)
        audit = tables.audit
        rows = self._database.rows(
            select(audit).where(audit.c.number == entry.number).order_by(audit.c.id.desc()).limit(limit)
        )
        return [_change(row) for row in reversed(rows)]

    def mark_opened(self, numbers: Iterable[int]) -> None:
        """Record that the ledger has these campaigns' money, without raising their versions."""
        marks = [{"marked": number, "now": datetime.now(UTC)} for number in numbers]
        found = tables.campaigns.c
        query = update(tables.campaigns).where(found.number == bindparam("marked"), found.opened_at.is_(None))
        if marks:
            with self._database.writing() as connection:
                connection.execute(query.values(opened_at=bindparam("now")), marks)

    def record_spend(
        self, rows: Sequence[Spend], position: str, moves: Sequence[MoveRecord] = (), *, since: str | None = None
    ) -> bool:
        """Add spend by hour, and store in the same transaction how far the stream of events has been read.

        Args:
            rows: increments; several may be of the same campaign and hour, in the order of their events.
            position: stream id (`milliseconds-sequence`) of the last event in them.
            moves: budget moves among these events.
            since: stream id that the rows begin after; none: whatever the catalog has reached.

        Returns:
            Whether they were added: false where the catalog has reached `position` already, or is not at `since`.

        Raises:
            ValueError: `position` is not a stream id.
        """
        order = _order(position)
        with self._database.writing() as connection:
            held = connection.execute(select(tables.position.c.value).with_for_update()).scalar_one()
            if _order(held) >= order or (since is not None and held != since):
                return False
            for row in rows:
                _add_spend(connection, row, position)
            record_moves(connection, moves)
            connection.execute(update(tables.position).values(value=position))
        return True

    def position(self) -> str:
        """Return the stream id of the last event in the spend history; `0-0` before the first."""
        return str(self._database.rows(select(tables.position.c.value))[0].value)

    def spent(self, since: float = 0) -> dict[int, int]:
        """Return the micros spent by each campaign that spent anything, by number.

        Args:
            since: Unix time from which hours count.
        """
        spend = tables.spend.c
        total = func.sum(spend.micros).label("total")
        query = select(spend.campaign, total).where(spend.hour >= since).group_by(spend.campaign)
        return {row.campaign: int(row.total) for row in self._database.rows(query)}  # PostgreSQL's sums are decimal

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _amend(
        self,
        campaign_id: str,
        expected: Expected,
        edit: Callable[[Campaign], Campaign],
        actor: str,
        action: str,
        *,
        once: IdempotentRequest[CatalogEntry] | None = None,
    ) -> CatalogEntry:
        found = tables.campaigns.c
        query = select(tables.campaigns).where(found.id == campaign_id).with_for_update()
        with self._database.writing() as connection:
            receipts.claim(connection, once)
            row = None if "\0" in campaign_id else connection.execute(query).one_or_none()
            if row is None:
                raise _unknown(campaign_id)
            before = _entry(row)
            if not is_expected(expected, before.version):
                raise CampaignChanged(campaign_id, expected, before.version)
            if before.campaign.status == "archived" and action != "archive":
                raise CampaignArchived(f"campaign {campaign_id!r} is archived: it cannot change any more")
            after = before._replace(campaign=edit(before.campaign), version=before.version + 1)
            if after.campaign == before.campaign:
                receipts.fill(connection, once, before)
                return before
            _replace(connection, before, after)
            _record(connection, before, after, actor, action)
            receipts.fill(connection, once, after)
        return after


def _edited(campaign: Campaign, changes: Any) -> Campaign:
    if isinstance(changes, Campaign):  # checked like a patch: it was never decoded
        return patch_campaign(changes, {"id": campaign.id})
    if isinstance(changes, dict) and changes.get("currency", campaign.currency) != campaign.currency:
        changes = {"exchange_rate": None, **changes}  # a rate is of one currency
    return patch_campaign(campaign, changes)


def _replace(connection: Connection, before: CatalogEntry, after: CatalogEntry) -> None:
    """Replace exactly the old version by the new one: a last line of defence below the row's lock."""
    found = tables.campaigns.c
    query = update(tables.campaigns).where(found.number == before.number, found.version == before.version)
    done = connection.execute(query.values(body=_encode(after.campaign), version=after.version))
    if done.rowcount != 1:
        raise CampaignChanged(before.campaign.id, before.version, after.version)


def _add(connection: Connection, campaign: Campaign, now: datetime, actor: str) -> CatalogEntry:
    """Insert a new campaign and the first line of its history."""
    if campaign.status == "archived":
        raise CampaignError("a new campaign is active or paused - at `$.status`")
    check_places(campaign.targeting)
    row = {"id": campaign.id, "body": _encode(campaign), "created_at": now}
    try:
        key = connection.execute(tables.campaigns.insert().values(row)).inserted_primary_key
    except IntegrityError as error:
        raise CampaignExists(f"there is a campaign {campaign.id!r} already") from error
    assert key is not None
    if int(key[0]) > MOST_CAMPAIGNS:
        raise CatalogError(f"there were {MOST_CAMPAIGNS:,} campaigns, and the ledger can number no more")
    entry = CatalogEntry(int(key[0]), campaign, now.timestamp())
    _record(connection, None, entry, actor, "create")
    return entry


def _record(connection: Connection, before: CatalogEntry | None, after: CatalogEntry, actor: str, action: str) -> None:
    """Add a line to the history and raise the catalog's revision, in the transaction of the change."""
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


def _add_spend(connection: Connection, row: Spend, position: str) -> None:
    """Add to the row of an hour, or create it. The lock on the position keeps others out meanwhile."""
    spend = tables.spend
    sums = {name: spend.c[name] + getattr(row, name) for name in _COUNTS}
    where = (spend.c.campaign == row.campaign, spend.c.hour == row.hour)
    done = connection.execute(update(spend).where(*where).values(**sums, last_event=position))
    if done.rowcount == 0:
        connection.execute(spend.insert().values(row._asdict() | {"last_event": position}))


def _entry(row: Row[Any]) -> CatalogEntry:
    campaign, is_opened = decode_campaign(row.body.encode()), row.opened_at is not None
    return CatalogEntry(row.number, campaign, unix_time(row.created_at), row.version, is_opened)


def _change(row: Row[Any]) -> Change:
    before = None if row.before is None else msgspec.json.decode(row.before)
    return Change(unix_time(row.at), row.actor, row.action, row.version, before, msgspec.json.decode(row.after))


def _unknown(campaign_id: str) -> CampaignUnknown:
    return CampaignUnknown(f"there is no campaign {campaign_id!r}")


def _encode(campaign: Campaign) -> str:
    return msgspec.json.encode(campaign).decode()


def _order(position: str) -> tuple[int, int]:
    """Return a stream id in comparable form: as text, ids do not sort in order."""
    if not _POSITION.fullmatch(position):
        raise ValueError(f"{position[:60]!r} is not a stream id")
    milliseconds, sequence = position.split("-")
    return int(milliseconds), int(sequence)
