"""The ledger's terms of a campaign, its calendar, and the span of its pacing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from rtb.campaigns.conversion import in_platform_currency
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance, Day, Terms


def terms_of(entry: CatalogEntry) -> Terms:
    """Return a campaign's terms for the ledger, which are in the platform's currency."""
    campaign, flight = in_platform_currency(entry.campaign), entry.campaign.flight
    return Terms(
        budget_micros=campaign.budget.total_micros,
        daily_micros=campaign.budget.daily_micros,
        starts=entry.starts if flight.starts_at is not None else 0.0,
        ends=entry.ends if flight.ends_at is not None else math.inf,
        paused=campaign.status != "active",
    )


def over_budget(entry: CatalogEntry, balance: Balance) -> int:
    """Return the micros that a campaign has spent or promised beyond its budget, where that was cut.

    Args:
        entry: the campaign.
        balance: its balance, arm included. Its budget there is never less than what was spent and promised.
    """
    return max(0, balance.budget - balance.moved - in_platform_currency(entry.campaign).budget.total_micros)


def lost_campaigns(
    entries: Sequence[CatalogEntry], balances: Sequence[Balance], spent: Mapping[int, int]
) -> list[CatalogEntry]:
    """Return campaigns whose figures the ledger has lost: it no longer has their budget, or is behind.

    Opened again, they would spend their budget twice. The amount spent need not be known yet, and never is to the last
    second: it is enough that the campaign may have bid.

    Args:
        entries: campaigns of record.
        balances: balance of each in the ledger.
        spent: micros spent by the catalog, by campaign number, for campaigns that an old copy of the catalog has as
            never opened.
    """

    def is_lost(entry: CatalogEntry, balance: Balance) -> bool:
        return balance.budget == 0 and (entry.opened or spent.get(entry.number, 0) > 0)

    pairs = zip(entries, balances, strict=True)
    return [entry for entry, balance in pairs if balance.behind or is_lost(entry, balance)]


class PacingSpan(NamedTuple):
    """A span of time and the money to spend evenly in it, of one campaign, or of `n` in arrays of shape `(n,)`.

    Attributes:
        money: micros at its start.
        money_left: micros neither spent nor reserved.
        seconds: length of the span.
        seconds_left: remaining seconds.
    """

    money: Any
    money_left: Any
    seconds: Any
    seconds_left: Any


def span_of(entry: CatalogEntry, balance: Balance, now: float) -> PacingSpan:
    """Return the span that a campaign paces now: its flight, or today where the daily limit allows less."""
    left = balance.available + balance.leased
    length = entry.ends - entry.starts if entry.ends > entry.starts else 1.0  # ended before it was created
    flight = PacingSpan(balance.budget, left, length, max(0.0, entry.ends - max(now, entry.starts)))
    if not balance.daily:
        return flight
    begins, ends = day_began(entry, now), day_of(entry, now).ends
    today = PacingSpan(
        balance.daily, min(left, balance.day_left(now)), ends - begins, min(ends - now, flight.seconds_left)
    )
    if today.seconds_left <= 0.0 or today.money_left * flight.seconds_left >= left * today.seconds_left:
        return flight
    return today


def day_of(entry: CatalogEntry, now: float) -> Day:
    """Return the campaign's own day at a Unix time, by its `budget.timezone`.

    Raises:
        ZoneInfoNotFoundError: this machine knows no time zone of that name.
    """
    return _day(entry.campaign.budget.timezone, now)


def day_began(entry: CatalogEntry, now: float) -> float:
    """Return when the campaign's own day at a Unix time began.

    Raises:
        ZoneInfoNotFoundError: see `day_of`.
    """
    zone = _zone(entry.campaign.budget.timezone)
    return _midnight(datetime.fromtimestamp(now, zone).date(), zone)


@lru_cache(maxsize=1_024)  # thousands of campaigns share few time zones and are looked up at the same moment
def _day(timezone: str, now: float) -> Day:
    zone = _zone(timezone)
    today = datetime.fromtimestamp(now, zone).date()
    return Day(today.isoformat(), _midnight(today + timedelta(days=1), zone))


def _zone(timezone: str) -> tzinfo:
    return UTC if timezone == "UTC" else ZoneInfo(timezone)


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime.combine(day, time.min, zone).timestamp()
