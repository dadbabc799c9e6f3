"""The Controller's arithmetic: from balances to the table that replicas bid by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.campaigns.campaign import Budget, Flight
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance
from rtb.models.observation import observe
from rtb.models.winrate import UNKNOWN_MARKET, CampaignMarket, market_table
from rtb.pacing.market_estimate import estimate_markets
from rtb.pacing.pacemaker import Pacemaker
from rtb.pacing.snapshot import PACING_DTYPE, pacing_state
from tests.rtb.builders import make_campaign

_CREATED = 1_000.0


def _entry(number: int = 7, **fields: Any) -> CatalogEntry:
    budget = Budget(total_micros=1_000, flight_seconds=100.0)
    return CatalogEntry(number, msgspec.structs.replace(make_campaign(**fields), budget=budget), _CREATED)


def _balance(**pots: Any) -> Balance:
    return Balance(**{"budget": 1_000, "available": 600, "leased": 200, "reserved": 50, "spent": 150, **pots})


def _tick(balance: Balance, entry: CatalogEntry | None = None, now: float = _CREATED) -> Any:
    return Pacemaker().tick([entry or _entry()], [balance], now)[0]


def _run(steps: int, growth: dict[str, float], seconds: float = 1.0, entry: CatalogEntry | None = None) -> Any:
    """Return the record after many ticks between which the counts grew evenly."""
    pacemaker = Pacemaker()
    for step in range(steps + 1):
        grown = {name: rate * step for name, rate in growth.items()}
        record = pacemaker.tick([entry or _entry()], [_balance(**grown)], _CREATED + step * seconds)[0]
    return record


def _long(number: int = 7, **fields: Any) -> CatalogEntry:
    """Build a campaign whose flight lasts a million seconds."""
    entry = _entry(number, **fields)
    budget = Budget(total_micros=1_000, flight_seconds=1e6)
    return entry._replace(campaign=msgspec.structs.replace(entry.campaign, budget=budget))


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
    levels = [name for name in PACING_DTYPE.names or () if name.startswith("level")]
    unknown = ("recent_win_rate", "recent_pctr", "usual_pctr", "recent_price", "usual_price", *levels)
    assert [record[name] for name in unknown] == [0] * len(unknown)
    assert len(levels) == 5
    assert not record["markets"]["key"].any()


def test_what_was_before_the_first_tick_is_not_recent_but_usual() -> None:
    record = _tick(_balance(opportunities=1_000, probability=10.0, bills=5, spent=50, bids=10))
    assert record["recent_win_rate"] == 0
    assert (record["usual_pctr"], record["usual_price"]) == (0.01, 10)
    assert (record["recent_pctr"], record["recent_price"]) == (0.01, 10)  # none is recent: the usual stands in


@pytest.mark.parametrize("seconds", [1.0, 0.5])
def test_recent_averages_become_the_steady_rates(seconds: float) -> None:
    growth = {"opportunities": 200, "bids": 40, "bills": 10, "probability": 4.0, "spent": 300, "price_squares": 9_160}
    record = _run(60, growth, seconds)
    assert record["opportunities_left"] == pytest.approx(200 / seconds * record["time_left"], rel=1e-9)
    assert record["recent_win_rate"] == pytest.approx(0.25)
    assert record["recent_pctr"] == pytest.approx(0.02)
    assert record["recent_price"] == pytest.approx(30)
    assert record["recent_price_std"] == pytest.approx(4)  # 916 - 30 squared


def test_recent_averages_forget() -> None:
    pacemaker = Pacemaker()
    poor = _balance(opportunities=500, probability=5.0, bids=500)
    pacemaker.tick([_entry()], [_balance()], _CREATED)
    seen = [pacemaker.tick([_entry()], [poor], _CREATED + 1)["recent_pctr"][0]]
    rich = poor
    for step in range(2, 8):
        rich = rich._replace(opportunities=rich.opportunities + 500, probability=rich.probability + 10.0)
        seen.append(pacemaker.tick([_entry()], [rich], _CREATED + step)["recent_pctr"][0])
    # The last tick weighs 1, and each one before it less by a factor of e.
    weights = np.exp(-np.arange(7.0))
    assert seen[-1] == pytest.approx((weights[:6].sum() * 0.02 + weights[6] * 0.01) / weights.sum())
    assert seen == sorted(seen)


def test_more_wins_than_bids_are_a_win_rate_of_one() -> None:
    assert _run(5, {"bids": 1, "bills": 3})["recent_win_rate"] == 1


def test_each_campaign_has_its_own_averages_in_the_order_given() -> None:
    pacemaker = Pacemaker()
    one, other = _entry(1), _entry(2)
    pacemaker.tick([one, other], [_balance(), _balance()], _CREATED)
    grown = _balance(opportunities=100, probability=1.0, bids=100, bills=50)
    table = pacemaker.tick([other, one, _entry(3)], [grown, _balance(), grown], _CREATED + 1)
    assert table["number"].tolist() == [2, 1, 3]
    assert (table["recent_win_rate"] > 0).tolist() == [True, False, False]
    table = pacemaker.tick([_entry(3), other], [grown._replace(bills=60, bids=200), grown], _CREATED + 2)
    assert table["recent_win_rate"] == pytest.approx([0.1, 0.5])


def test_nobody_to_pace_is_an_empty_table() -> None:
    assert len(Pacemaker().tick([], [], _CREATED)) == 0


def test_each_campaign_has_its_own_market_and_one_without_bids_has_none() -> None:
    markets = {9: CampaignMarket(500.0, 3.5, 0.4, market_table([(77, 500.0, 3.5)]))}
    entries, balances = [_entry(7), _entry(9)], [_balance(), _balance()]
    table = Pacemaker().tick(entries, balances, _CREATED, markets)
    assert table["markets"]["median"][:, 0].tolist() == [0.0, 500.0]
    assert table["markets"][1, 0].tolist() == (77, 500.0, 3.5)
    assert not table["markets"]["key"][0].any()


_counts = st.integers(0, 2**53)
_balances = st.builds(
    Balance,
    **{name: _counts for name in Balance._fields if name not in {"probability", "levels", "price_squares"}},
    probability=st.floats(0, 1e12),
    levels=st.floats(0, 1e32),
    price_squares=st.floats(0, 1e32),
)


@given(st.lists(_balances, min_size=1, max_size=4))
def test_whatever_the_ledger_says_the_policy_sees_numbers(balances: list[Balance]) -> None:
    pacemaker = Pacemaker()
    for step, balance in enumerate(balances):
        table = pacemaker.tick([_entry()], [balance], _CREATED + step)
        seen = observe(pacing_state(table))
        assert np.isfinite(seen).all()
        assert (np.abs(seen) <= 3).all()
        assert table["opportunities_left"][0] >= 0
        assert all(np.isfinite(table[name][0]) for name in PACING_DTYPE.names or () if name.startswith("level"))


def _flying(starts: float | None, ends: float | None) -> CatalogEntry:
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


# --- traffic


@pytest.mark.parametrize("moments", [[1, 2, 3, 4], [1, 2.5, 2.6, 8], [0.1, 0.1, 5]])
def test_traffic_is_by_the_clock_whenever_ticks_come(moments: list[float]) -> None:
    pacemaker = Pacemaker()
    pacemaker.tick([_long()], [_balance(opportunities=10**6)], _CREATED)
    for moment in moments:
        balance = _balance(opportunities=10**6 + int(40 * moment))
        record = pacemaker.tick([_long()], [balance], _CREATED + moment)[0]
    assert record["opportunities_left"] == pytest.approx(40 * record["time_left"], rel=1e-6)


@pytest.mark.parametrize("status", ["paused", "active"])
def test_time_in_which_it_was_closed_tells_nothing_of_the_traffic(status: str) -> None:
    """Paused, or open and without a visitor: the one is not known, the other is."""
    pacemaker, opportunities = Pacemaker(), 0
    for step in range(300):
        is_shut = 50 <= step < 250
        record = pacemaker.tick(
            [_long(status=status if is_shut else "active")], [_balance(opportunities=opportunities)], _CREATED + step
        )[0]
        opportunities += 0 if is_shut else 40
    expected = 40 if status == "paused" else 40 * 99 / 299
    assert record["opportunities_left"] == pytest.approx(expected * record["time_left"], rel=0.02)


def test_a_flight_that_has_not_begun_has_seen_no_traffic_yet() -> None:
    pacemaker = Pacemaker()
    for hour in range(24):
        pacemaker.tick([_flying(86_400, 2 * 86_400)], [_balance()], _CREATED + hour * 3_600)
    for step in range(5):
        record = pacemaker.tick(
            [_flying(86_400, 2 * 86_400)], [_balance(opportunities=40 * step)], _CREATED + 86_400 + step
        )[0]
    assert record["opportunities_left"] == pytest.approx(40 * record["time_left"], rel=1e-6)


# --- levels

_STEADY = {"opportunities": 100, "bids": 100, "bills": 20, "probability": 0.2, "price_squares": 20 * 500**2 * 1.2}
"""What a second brings: a market of prices about 500 micros."""


_RICH = {"budget": 10**10, "available": 5 * 10**9, "leased": 0}
"""Half of a budget left, 5,000 micros for each second of a flight of a million."""


@pytest.mark.parametrize("left", [10**8, 10**9, 5 * 10**9])
def test_forecast_level_is_where_the_landscape_expects_even_spend(left: int) -> None:
    growth = {**_STEADY, "spent": 10_000, "levels": 5e7}
    record = _run(40, growth | {"available": left / 40, "budget": 10**10 / 40}, entry=_long())
    totals = {name: np.array([40.0 * rate]) for name, rate in growth.items()}
    landscape = estimate_markets(totals, [UNKNOWN_MARKET], np.ones(1)).landscape
    expected = (left + 200) / record["opportunities_left"]  # what `_balance` has leased is left as well
    assert landscape.spend(np.array([record["level_forecast"]]))[0] == pytest.approx(expected, rel=1e-3)


def test_level_follows_what_the_market_takes() -> None:
    """Two campaigns believe the same of prices; where more was spent than that says, less is bid."""
    pacemaker, market = Pacemaker(), CampaignMarket(500.0, 3.0)
    entries = [_long(1), _long(2)]
    for step in range(40):
        grown = {name: rate * step for name, rate in _STEADY.items()}
        dear, cheap = (_balance(**grown, **_RICH, spent=spent * step, levels=5e7 * step) for spent in (9_000, 3_000))
        table = pacemaker.tick(entries, [dear, cheap], _CREATED + step, {1: market, 2: market})
    assert table["level"][0] < 0.8 * table["level"][1]
    for which in ("level_quick", "level_slow"):
        assert table[which][0] < table[which][1]


def test_without_traffic_lately_the_level_stays() -> None:
    growth = {**_STEADY, "spent": 10_000, "levels": 5e7}
    pacemaker = Pacemaker()
    for step in range(30):
        grown = {name: rate * step for name, rate in growth.items()}
        before = pacemaker.tick([_long(status="active")], [_balance(**grown)], _CREATED + step)[0]
    for step in range(30, 40):
        after = pacemaker.tick([_long(status="paused")], [_balance(**grown)], _CREATED + step)[0]
    assert after["level"] == pytest.approx(before["level"], rel=1e-3)


@given(st.integers(1, 6), st.integers(0, 40), st.randoms())
def test_campaigns_do_not_touch_each_other(count: int, steps: int, source: Any) -> None:
    rates = [{name: rate * source.uniform(0.5, 2) for name, rate in _STEADY.items()} for _ in range(count)]
    together, alone = Pacemaker(), Pacemaker()
    for step in range(steps + 2):
        order = source.sample(range(count), count)
        balances = [_balance(**{name: int(rate * step) for name, rate in growth.items()}) for growth in rates]
        table = together.tick([_entry(n + 1) for n in order], [balances[n] for n in order], _CREATED + step)
        single = alone.tick([_entry(1)], [balances[0]], _CREATED + step)
    mine = table[order.index(0)]
    assert mine.tobytes() == single[0].tobytes()
