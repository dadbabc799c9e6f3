"""Terms of many campaigns at once are those of each."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtb.campaigns.campaign import Budget, Flight, Goal
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance
from rtb.money.micros import MAX_MICROS
from rtb.pacing.snapshot import PACING_DTYPE
from rtb.pacing.terms import day_of, span_of, terms_of
from rtb.pacing.terms_table import TermsTable
from tests.rtb.builders import make_campaign

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
_HOUR = 3_600.0


def _moment(hours: float | None) -> datetime | None:
    return None if hours is None else datetime.fromtimestamp(NOW + hours * _HOUR, UTC)


@st.composite
def _campaigns(draw: st.DrawFn) -> tuple[CatalogEntry, Balance]:
    goal = Goal(
        kind=draw(st.sampled_from(["click", "conversion"])), value_micros=9, max_bid_micros=draw(st.integers(0, 3))
    )
    starts = draw(st.none() | st.integers(-5, 5))
    ends = draw(st.none() | st.integers(-5, 5))
    budget = Budget(total_micros=100, timezone=draw(st.sampled_from(["UTC", "Asia/Tokyo"])))
    campaign = msgspec.structs.replace(
        make_campaign(status=draw(st.sampled_from(["active", "paused"]))),
        goal=goal,
        budget=budget,
        flight=Flight(starts_at=_moment(starts), ends_at=_moment(ends)),
    )
    entry = CatalogEntry(draw(st.integers(1, 50)), campaign, NOW + draw(st.integers(-5, 5)) * _HOUR)
    money = {name: draw(st.integers(0, 9)) for name in ("available", "leased", "reserved", "spent_today", "spent_next")}
    ends_day = NOW + draw(st.sampled_from([-1.0, 1.0, np.inf]))
    return entry, Balance(budget=100, daily=draw(st.sampled_from([0, 5, 20])), day_ends=ends_day, **money)


@given(st.lists(_campaigns(), min_size=1, max_size=5))
def test_terms_of_many_are_those_of_each(drawn: list[tuple[CatalogEntry, Balance]]) -> None:
    entries, balances = map(list, zip(*drawn, strict=True))
    terms = TermsTable(entries)
    assert terms.are_of(entries)
    assert not terms.are_of([*entries, entries[0]])
    table = np.zeros(len(entries), PACING_DTYPE)
    held = dict(zip(Balance._fields, np.array(balances, np.float64).T, strict=True))
    span = terms.fill(table, held, balances, NOW)
    for row, (entry, balance) in enumerate(drawn):
        assert tuple(column[row] for column in span) == tuple(span_of(entry, balance, NOW))
        spendable = min(balance.available + balance.leased, balance.day_left(NOW))
        goal, day = entry.campaign.goal, day_of(entry, NOW)
        assert table[row]["number"] == entry.number
        assert table[row]["open"] == (terms_of(entry).runs(NOW) and spendable > 0)
        assert table[row]["by_conversion"] == (goal.kind == "conversion")
        assert table[row]["max_bid_micros"] == min(goal.max_bid_micros or MAX_MICROS, max(1, spendable))
        assert (table[row]["day"].decode(), table[row]["day_ends"]) == day
