"""What the ledger is told of a campaign, and which day it has."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.campaigns.campaign import Budget, Flight
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance, Day, Terms
from rtb.pacing.pacemaker import Pacemaker
from rtb.pacing.terms import PacingSpan, day_began, day_of, lost_campaigns, span_of, terms_of
from tests.rtb.builders import make_campaign

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def make_entry(status: str = "active", starts_at: Any = None, ends_at: Any = None, **budget: Any) -> CatalogEntry:
    """Build an entry whose campaign has a flight and these fields of its budget."""
    campaign = msgspec.structs.replace(
        make_campaign(status=status),
        budget=Budget(**{"total_micros": 1_000, "flight_seconds": 3_600.0, **budget}),
        flight=Flight(starts_at=starts_at, ends_at=ends_at),
    )
    return CatalogEntry(1, campaign, 0.0)


def test_a_campaign_without_limits_has_a_budget_only() -> None:
    assert terms_of(CatalogEntry(1, make_campaign(budget=5_000), 0.0)) == Terms(5_000)
    assert terms_of(make_entry()) == Terms(1_000)


def test_terms_are_those_of_the_campaign() -> None:
    entry = make_entry("paused", NOON, NOON, daily_micros=70)
    assert terms_of(entry) == Terms(1_000, 70, NOON.timestamp(), NOON.timestamp(), True)
    assert terms_of(make_entry(ends_at=None)).ends == math.inf


@pytest.mark.parametrize(
    ("zone", "moment", "name", "hours_left"),
    [
        ("UTC", NOON, "2026-11-22", 12),
        ("Asia/Tokyo", NOON.replace(hour=15), "2026-11-23", 24),
        ("America/Los_Angeles", NOON.replace(hour=7), "2026-11-21", 1),
        ("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), "2026-10-25", 25),  # the clocks go back
        ("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), "2026-03-29", 23),
    ],
)
def test_a_day_is_the_campaigns_own(zone: str, moment: datetime, name: str, hours_left: float) -> None:
    day = day_of(make_entry(timezone=zone), moment.timestamp())
    assert (day.name, day.ends - moment.timestamp()) == (name, hours_left * 3600)
    began = day_began(make_entry(timezone=zone), moment.timestamp())
    assert day_of(make_entry(timezone=zone), began).name == name
    assert day_of(make_entry(timezone=zone), began - 1) == Day(before_of(name), began)


def before_of(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def test_a_day_without_a_time_zone_is_utc() -> None:
    assert day_of(CatalogEntry(1, make_campaign(), 0.0), NOON.timestamp()).name == "2026-11-22"


@pytest.mark.parametrize(
    ("fields", "pots", "is_open"),
    [
        ({}, {}, True),
        ({"status": "paused"}, {}, False),
        ({"starts_at": NOON}, {}, True),
        ({"starts_at": NOON.replace(hour=13)}, {}, False),
        ({"ends_at": NOON.replace(hour=13)}, {}, True),
        ({"ends_at": NOON}, {}, False),
        ({"daily_micros": 100}, {"daily": 100, "spent_today": 99}, True),
        ({"daily_micros": 100}, {"daily": 100, "spent_today": 100}, False),
        ({"daily_micros": 100}, {"daily": 100, "spent_today": 60, "reserved": 40}, False),
        ({"daily_micros": 100}, {"daily": 100, "spent_today": 60, "leased": 40}, True),
        ({"daily_micros": 100}, {"daily": 100, "spent_today": 100, "day_ends": NOON.timestamp()}, True),
    ],
)
def test_the_pacing_table_keeps_to_pause_flight_and_day(
    fields: dict[str, Any], pots: dict[str, Any], is_open: bool
) -> None:
    balance = Balance(budget=1_000, available=800)._replace(**pots)
    record = Pacemaker().tick([make_entry(**fields)], [balance], NOON.timestamp())[0]
    assert bool(record["open"]) is is_open
    assert (record["day"], record["day_ends"]) == (b"2026-11-22", NOON.timestamp() + 12 * 3600)


@pytest.mark.parametrize(
    ("is_opened", "balance", "spent", "is_lost"),
    [
        (False, Balance(), 0, False),  # new
        (True, Balance(), 0, True),
        (True, Balance(), 5, True),
        (False, Balance(), 5, True),  # an old copy of the catalog
        (True, Balance(budget=1_000, available=1_000), 0, False),
        (True, Balance(budget=1, spent=1), 1, False),
    ],
)
def test_a_ledger_has_lost_what_it_had(is_opened: bool, balance: Balance, spent: int, is_lost: bool) -> None:
    entry = make_entry()._replace(opened=is_opened)
    other = make_entry()._replace(number=2)
    found = lost_campaigns([entry, other], [balance, Balance()], {1: spent})
    assert found == ([entry] if is_lost else [])


def test_a_flight_is_paced_between_its_ends() -> None:
    entry = make_entry(starts_at=NOON, ends_at=NOON.replace(hour=16))
    table = [Pacemaker().tick([entry], [Balance()], NOON.timestamp() + hours * 3600)[0] for hours in (-1, 0, 1, 9)]
    assert [record["time_total"] for record in table] == [4 * 3600] * 4
    np.testing.assert_array_equal([record["time_left"] for record in table], [14_400, 14_400, 10_800, 0])


# --- what is spent evenly now

_HOURS = 3_600.0
_WEEK: dict[str, Any] = {"starts_at": NOON, "ends_at": NOON + timedelta(days=7)}
_LEFT = Balance(budget=1_000, available=500, leased=200, reserved=100, spent=200)


def test_a_flight_without_a_daily_limit_is_spent_evenly() -> None:
    now = NOON.timestamp() + 2 * 24 * _HOURS
    assert span_of(make_entry(**_WEEK), _LEFT, now) == PacingSpan(1_000, 700, 168 * _HOURS, 120 * _HOURS)


@pytest.mark.parametrize(
    ("limit", "spent_today", "is_today"),
    [
        (300, 0, False),  # it leaves 200 for 12 hours, and 700 in 120 hours are 70
        (120, 0, True),  # 20 are less than 70
        (300, 200, True),  # nothing is left of the day
        (1_000, 0, False),
        (169, 0, True),
        (171, 0, False),
    ],
)
def test_a_daily_limit_counts_where_it_allows_less_than_the_flight(
    limit: int, spent_today: int, is_today: bool
) -> None:
    entry, now = make_entry(**_WEEK, daily_micros=limit), NOON.timestamp() + 2 * 24 * _HOURS
    balance = _LEFT._replace(leased=0, available=700, daily=limit, spent_today=spent_today, day_ends=now + 12 * _HOURS)
    room = limit - spent_today - 100  # what bids hold may be spent today
    today = PacingSpan(limit, min(700, room), 24 * _HOURS, 12 * _HOURS)
    flight = PacingSpan(1_000, 700, 168 * _HOURS, 120 * _HOURS)
    assert span_of(entry, balance, now) == (today if is_today else flight)


def test_a_flight_that_ends_today_ends_the_day() -> None:
    entry = make_entry(starts_at=NOON, ends_at=NOON.replace(hour=18), daily_micros=300)
    balance = _LEFT._replace(daily=300, day_ends=NOON.timestamp() + 12 * _HOURS)
    span = span_of(entry, balance, NOON.timestamp() + 2 * _HOURS)
    assert span == PacingSpan(300, balance.day_left(NOON.timestamp()), 24 * _HOURS, 4 * _HOURS)


def test_a_day_may_have_25_hours() -> None:
    began = datetime(2026, 10, 24, 22, tzinfo=UTC)
    entry = make_entry(starts_at=began, ends_at=began + timedelta(days=9), daily_micros=50, timezone="Europe/Berlin")
    span = span_of(entry, _LEFT._replace(daily=50, reserved=0), began.timestamp() + 5 * _HOURS)
    assert (span.seconds, span.seconds_left) == (25 * _HOURS, 20 * _HOURS)


@pytest.mark.parametrize("limit", [0, 50])
def test_after_its_end_a_flight_has_no_time_left(limit: int) -> None:
    entry = make_entry(starts_at=NOON, ends_at=NOON.replace(hour=16), daily_micros=limit)
    span = span_of(entry, _LEFT._replace(daily=limit), NOON.timestamp() + 9 * _HOURS)
    assert span == PacingSpan(1_000, 700, 4 * _HOURS, 0.0)


def test_before_it_begins_a_flight_has_all_its_time() -> None:
    span = span_of(make_entry(**_WEEK), _LEFT, NOON.timestamp() - 9 * _HOURS)
    assert (span.seconds, span.seconds_left) == (168 * _HOURS, 168 * _HOURS)


@given(
    limit=st.integers(1, 2_000),
    spent=st.integers(0, 1_000),
    today=st.integers(0, 1_000),
    hour=st.floats(0, 167.9),
)
def test_no_span_asks_for_more_a_second_than_flight_or_day(limit: int, spent: int, today: int, hour: float) -> None:
    entry, now = make_entry(**_WEEK, daily_micros=limit), NOON.timestamp() + hour * _HOURS
    balance = Balance(budget=1_000, available=1_000 - spent, spent=spent, daily=limit, spent_today=min(today, spent))
    span = span_of(entry, balance._replace(day_ends=day_of(entry, now).ends), now)
    flight = span_of(make_entry(**_WEEK), balance._replace(daily=0), now)
    day_ends = min(day_of(entry, now).ends, entry.ends)
    rate = span.money_left / span.seconds_left
    assert rate <= flight.money_left / flight.seconds_left + 1e-9
    assert rate <= max(limit - min(today, spent), 0) / (day_ends - now) + 1e-9
