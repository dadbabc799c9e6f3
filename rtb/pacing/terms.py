"""From a campaign as its owner describes it to what the ledger holds it to, and to its own calendar."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
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


def over_budget(entry: Entry, balance: Balance) -> int:
    """Return the micros that a campaign has spent or promised beyond its budget, which was cut since.

    Args:
        entry: the campaign.
        balance: where it stands, its arm included. A ledger's budget is never less than what was spent and promised.
    """
    return max(0, balance.budget - balance.moved - entry.campaign.budget.total_micros)


def lost(entries: Sequence[Entry], balances: Sequence[Balance], spent: Mapping[int, int]) -> list[Entry]:
    """Return campaigns whose figures the ledger must have lost: it has no budget for them though it had, or is behind.

    Opened, they would spend again what they spent. What that is need not be known yet, and is never known to the last
    second: that it could bid is enough.

    Args:
        entries: campaigns of record.
        balances: where each stands in the ledger.
        spent: micros that the catalog says were spent, by campaign number; tells of campaigns that an old copy of the
            catalog knows as never opened.
    """

    def is_lost(entry: Entry, balance: Balance) -> bool:
        return balance.budget == 0 and (entry.opened or spent.get(entry.number, 0) > 0)

    pairs = zip(entries, balances, strict=True)
    return [entry for entry, balance in pairs if balance.behind or is_lost(entry, balance)]


class Span(NamedTuple):
    """Money to be spent evenly and the time for it, of one campaign, or of `n` in arrays of shape `(n,)`.

    Attributes:
        money: micros at its beginning.
        money_left: micros not yet spent or held by bids.
        seconds: its length.
        seconds_left: what remains of it.
    """

    money: Any
    money_left: Any
    seconds: Any
    seconds_left: Any


def span_of(entry: Entry, balance: Balance, now: float) -> Span:
    """What a campaign spends evenly now: its flight's money, or today's where a daily limit allows less of it."""
    left = balance.available + balance.leased
    length = entry.ends - entry.starts if entry.ends > entry.starts else 1.0  # ended before it was made
    flight = Span(balance.budget, left, length, max(0.0, entry.ends - max(now, entry.starts)))
    if not balance.daily:
        return flight
    begins, ends = day_began(entry, now), day_of(entry, now).ends
    today = Span(balance.daily, min(left, balance.day_left(now)), ends - begins, min(ends - now, flight.seconds_left))
    if today.seconds_left <= 0.0 or today.money_left * flight.seconds_left >= left * today.seconds_left:
        return flight
    return today


def day_of(entry: Entry, now: float) -> Day:
    """The campaign's own day at a Unix time, by its `budget.timezone`.

    Raises:
        ZoneInfoNotFoundError: this machine knows no time zone of that name.
    """
    return _day(entry.campaign.budget.timezone, now)


def day_began(entry: Entry, now: float) -> float:
    """When the campaign's own day at a Unix time began.

    Raises:
        ZoneInfoNotFoundError: see `day_of`.
    """
    zone = _zone(entry.campaign.budget.timezone)
    return _midnight(datetime.fromtimestamp(now, zone).date(), zone)


@lru_cache(maxsize=1_024)  # thousands of campaigns are in few time zones, and are asked for at the same moment
def _day(timezone: str, now: float) -> Day:
    zone = _zone(timezone)
    today = datetime.fromtimestamp(now, zone).date()
    return Day(today.isoformat(), _midnight(today + timedelta(days=1), zone))


def _zone(timezone: str) -> tzinfo:
    return UTC if timezone == "UTC" else ZoneInfo(timezone)


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime.combine(day, time.min, zone).timestamp()
