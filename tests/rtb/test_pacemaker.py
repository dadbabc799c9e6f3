"""The Controller's arithmetic: from balances to the table that replicas bid by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.campaign import Budget, Flight
from rtb.catalog import Entry
from rtb.ledger import Balance
from rtb.pacemaker import Pacemaker
from rtb.pacing import observe
from rtb.snapshot import pacing_state
from rtb.winrate import UNKNOWN, Market
from tests.rtb.builders import make_campaign

_CREATED = 1_000.0


def _entry(number: int = 7, **fields: Any) -> Entry:
    budget = Budget(total_micros=1_000, flight_seconds=100.0)
    return Entry(number, msgspec.structs.replace(make_campaign(**fields), budget=budget), _CREATED)


def _balance(**pots: Any) -> Balance:
    return Balance(**{"budget": 1_000, "available": 600, "leased": 200, "reserved": 50, "spent": 150, **pots})


def _tick(balance: Balance, entry: Entry | None = None, now: float = _CREATED) -> Any:
    return Pacemaker(1.0).tick([entry or _entry()], [balance], now)[0]


def _run(steps: int, growth: dict[str, float], tick_seconds: float = 1.0) -> Any:
    """The record after many ticks between which the counts grew evenly."""
    pacemaker = Pacemaker(tick_seconds)
    for step in range(steps + 1):
        grown = {name: rate * step for name, rate in growth.items()}
        record = pacemaker.tick([_entry()], [_balance(**grown)], _CREATED + step)[0]
    return record


def test_record_has_the_campaigns_terms() -> None:
    record = _tick(_balance(), _entry(9, kind="conversion", value=5_000, max_bid=70))
    assert (record["number"], record["by_conversion"]) == (9, True)
    assert (record["value_micros"], record["max_bid_micros"]) == (5_000, 70)


@pytest.mark.parametrize(
    ("status", "pots", "is_open"),
    [
        ("active", {}, True),
        ("paused", {}, False),
        ("active", {"available": 0, "leased": 0}, False),
        ("active", {"available": 0, "leased": 1}, True),
        ("active", {"available": 1, "leased": 0}, True),
    ],
)
def test_active_campaign_with_money_is_open(status: str, pots: dict[str, int], is_open: bool) -> None:
    assert _tick(_balance(**pots), _entry(status=status))["open"] == is_open


def test_money_that_is_held_by_bids_is_not_left() -> None:
    record = _tick(_balance())
    assert (record["budget_total"], record["budget_left"]) == (1_000, 800)


@pytest.mark.parametrize(("elapsed", "left"), [(0, 100), (40, 60), (100, 0), (500, 0)])
def test_time_runs_out_and_stays_out(elapsed: float, left: float) -> None:
    record = _tick(_balance(), now=_CREATED + elapsed)
    assert (record["time_total"], record["time_left"]) == (100, left)


def test_before_anything_happened_nothing_is_known() -> None:
    record = _tick(_balance(spent=0))
    unknown = ("recent_win_rate", "recent_pctr", "usual_pctr", "recent_price", "usual_price", "recent_opportunities")
    assert [record[name] for name in unknown] == [0] * len(unknown)
    assert record["price_median"] == 0


def test_what_was_before_the_first_tick_is_not_recent_but_usual() -> None:
    record = _tick(_balance(opportunities=1_000, probability=10.0, bills=5, spent=50, bids=10))
    assert (record["recent_opportunities"], record["recent_win_rate"]) == (0, 0)
    assert (record["usual_pctr"], record["usual_price"]) == (0.01, 10)
    assert (record["recent_pctr"], record["recent_price"]) == (0.01, 10)  # none is recent: the usual stands in


@pytest.mark.parametrize("tick_seconds", [1.0, 0.5])
def test_recent_averages_become_the_steady_rates(tick_seconds: float) -> None:
    growth = {"opportunities": 200, "bids": 40, "bills": 10, "probability": 4.0, "spent": 300, "price_squares": 9_160}
    record = _run(60, growth, tick_seconds)
    assert record["recent_opportunities"] == pytest.approx(200 / tick_seconds, rel=1e-3)
    assert record["recent_win_rate"] == pytest.approx(0.25)
    assert record["recent_pctr"] == pytest.approx(0.02)
    assert record["recent_price"] == pytest.approx(30)
    assert record["recent_price_std"] == pytest.approx(4)  # 916 - 30 squared


def test_recent_averages_forget() -> None:
    pacemaker = Pacemaker(1.0)
    before = pacemaker.tick([_entry()], [_balance()], _CREATED)
    for _ in range(3):
        after = pacemaker.tick([_entry()], [_balance(opportunities=500)], _CREATED)
        assert after["recent_opportunities"][0] != before["recent_opportunities"][0]
        before = after
    quiet = [pacemaker.tick([_entry()], [_balance(opportunities=500)], _CREATED) for _ in range(40)][-1]
    assert quiet["recent_opportunities"][0] < 0.1


def test_more_wins_than_bids_are_a_win_rate_of_one() -> None:
    assert _run(5, {"bids": 1, "bills": 3})["recent_win_rate"] == 1


def test_each_campaign_has_its_own_averages_in_the_order_given() -> None:
    pacemaker = Pacemaker(1.0)
    one, other = _entry(1), _entry(2)
    pacemaker.tick([one, other], [_balance(), _balance()], _CREATED)
    table = pacemaker.tick([other, one, _entry(3)], [_balance(opportunities=100), _balance(), _balance()], _CREATED)
    assert table["number"].tolist() == [2, 1, 3]
    assert (table["recent_opportunities"] > 0).tolist() == [True, False, False]


def test_nobody_to_pace_is_an_empty_table() -> None:
    assert len(Pacemaker(1.0).tick([], [], _CREATED)) == 0


def test_each_campaign_has_its_own_market_and_one_without_bids_has_none() -> None:
    markets = {9: Market(price_median=500.0, price_shape=3.5, pctr_log_std=0.4)}
    entries, balances = [_entry(7), _entry(9)], [_balance(), _balance()]
    table = Pacemaker(1.0).tick(entries, balances, _CREATED, markets)
    assert table["price_median"].tolist() == [0.0, 500.0]
    assert table["price_shape"].tolist() == [UNKNOWN.price_shape, 3.5]


_counts = st.integers(0, 2**53)
_balances = st.builds(
    Balance,
    **{name: _counts for name in Balance._fields if name not in {"probability", "price_squares"}},
    probability=st.floats(0, 1e12),
    price_squares=st.floats(0, 1e32),
)


@given(st.lists(_balances, min_size=1, max_size=4))
def test_whatever_the_ledger_says_the_policy_sees_numbers(balances: list[Balance]) -> None:
    pacemaker = Pacemaker(1.0)
    for step, balance in enumerate(balances):
        table = pacemaker.tick([_entry()], [balance], _CREATED + step)
        seen = observe(pacing_state(table))
        assert np.isfinite(seen).all()
        assert (np.abs(seen) <= 3).all()
        assert table["recent_opportunities"][0] >= 0


def _flying(starts: float | None, ends: float | None) -> Entry:
    moments = [None if at is None else datetime.fromtimestamp(_CREATED + at, UTC) for at in (starts, ends)]
    return _entry(flight=Flight(starts_at=moments[0], ends_at=moments[1]))


@pytest.mark.parametrize(
    ("flight", "at", "is_open", "total", "left"),
    [
        ((None, None), 150, True, 100, 0),  # past `flight_seconds` it spends what is left
        ((50, None), 49, False, 100, 100),
        ((50, None), 50, True, 100, 100),
        ((50, None), 90, True, 100, 60),
        ((None, 40), 10, True, 40, 30),
        ((None, 40), 40, False, 40, 0),
        ((20, 80), 50, True, 60, 30),
        ((20, 80), 80, False, 60, 0),
        ((-500, 500), 0, True, 1_000, 500),
        ((None, -10), 0, False, 1, 0),
    ],
)
def test_a_flight_bounds_when_it_bids_and_paces_it(
    flight: tuple[float | None, float | None], at: float, is_open: bool, total: float, left: float
) -> None:
    record = _tick(_balance(), _flying(*flight), _CREATED + at)
    assert (bool(record["open"]), record["time_total"], record["time_left"]) == (is_open, total, left)
    assert np.isfinite(observe(pacing_state(np.array([record])))).all()


@pytest.mark.parametrize(
    ("max_bid", "balance", "most"),
    [
        (0, {"available": 300, "leased": 50}, 350),
        (200, {"available": 300, "leased": 50}, 200),
        (400, {"available": 300, "leased": 50}, 350),
        (0, {"available": 300, "leased": 50, "daily": 500, "spent_today": 400, "reserved": 0}, 100),
        (0, {"available": 300, "leased": 50, "daily": 500, "spent_today": 300, "reserved": 150}, 50),
    ],
)
def test_no_bid_is_higher_than_what_is_left(max_bid: int, balance: dict[str, int], most: int) -> None:
    assert _tick(_balance(**balance), _entry(max_bid=max_bid))["max_bid_micros"] == most
