"""From a campaign as its owner describes it to what the ledger holds it to, and to its own calendar."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from rtb.catalog import Entry
from rtb.ledger import Day, Terms


def terms_of(entry: Entry) -> Terms:
    """What the ledger is told of a campaign.

    Integration: `budget.daily_micros` and `flight.starts_at`/`ends_at` are read by name, and mean no limit in a
    catalog whose campaigns do not have them.
    """
    campaign = entry.campaign
    flight = getattr(campaign, "flight", None)
    starts, ends = getattr(flight, "starts_at", None), getattr(flight, "ends_at", None)
    return Terms(
        budget_micros=campaign.budget.total_micros,
        daily_micros=getattr(campaign.budget, "daily_micros", 0),
        starts=starts.timestamp() if starts is not None else 0.0,
        ends=ends.timestamp() if ends is not None else math.inf,
        paused=campaign.status != "active",
    )


def day_of(entry: Entry, now: float) -> Day:
    """The campaign's own day at a Unix time, by its `budget.timezone` (UTC in a catalog without one).

    Raises:
        ZoneInfoNotFoundError: this machine knows no time zone of that name.
    """
    name = getattr(entry.campaign.budget, "timezone", "UTC")
    zone: tzinfo = UTC if name == "UTC" else ZoneInfo(name)
    today = datetime.fromtimestamp(now, zone).date()
    midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), zone)
    return Day(today.isoformat(), midnight.timestamp())
