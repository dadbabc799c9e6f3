"""From a campaign as its owner describes it to what the ledger holds it to, and to its own calendar."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from rtb.catalog import Entry
from rtb.ledger import Balance, Day, Terms


def terms_of(entry: Entry) -> Terms:
    """What the ledger is told of a campaign."""
    campaign, flight = entry.campaign, entry.campaign.flight
    return Terms(
        budget_micros=campaign.budget.total_micros,
        daily_micros=campaign.budget.daily_micros,
        starts=entry.starts if flight.starts_at is not None else 0.0,
        ends=entry.ends if flight.ends_at is not None else math.inf,
        paused=campaign.status != "active",
    )


def lost(entries: Sequence[Entry], balances: Sequence[Balance], spent: Mapping[int, int]) -> list[Entry]:
    """Campaigns whose figures the ledger must have lost: it has no budget for them, though it had.

    Opened, they would spend again what they spent. What that is need not be known yet, and is never known to the last
    second: that it could bid is enough.

    Args:
        entries: campaigns of record.
        balances: where each stands in the ledger.
        spent: micros that the catalog says were spent, by campaign number; tells of campaigns that an old copy of the
            catalog knows as never opened.
    """
    pairs = zip(entries, balances, strict=True)
    had = [(entry, balance) for entry, balance in pairs if entry.opened or spent.get(entry.number, 0) > 0]
    return [entry for entry, balance in had if balance.budget == 0]


def day_of(entry: Entry, now: float) -> Day:
    """The campaign's own day at a Unix time, by its `budget.timezone`.

    Raises:
        ZoneInfoNotFoundError: this machine knows no time zone of that name.
    """
    zone = _zone(entry)
    today = datetime.fromtimestamp(now, zone).date()
    return Day(today.isoformat(), _midnight(today + timedelta(days=1), zone))


def day_began(entry: Entry, now: float) -> float:
    """When the campaign's own day at a Unix time began.

    Raises:
        ZoneInfoNotFoundError: see `day_of`.
    """
    zone = _zone(entry)
    return _midnight(datetime.fromtimestamp(now, zone).date(), zone)


def _zone(entry: Entry) -> tzinfo:
    name = entry.campaign.budget.timezone
    return UTC if name == "UTC" else ZoneInfo(name)


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime.combine(day, time.min, zone).timestamp()
