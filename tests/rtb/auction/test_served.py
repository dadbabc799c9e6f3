"""Serving's closed loop for a day: budgets are spent, without a swing, and nothing is bid above its worth."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from rtb.campaigns.campaign import Budget
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance
from tests.rtb.builders import make_campaign
from tests.rtb.served import DAY, House, Market

_MIDNIGHT = 1_767_571_200.0
_TICK, _RATE = 120.0, 1 / 6  # 20 auctions between two looks, as in a second of a small campaign
_TICKS = int(DAY / _TICK)
_VALUE = 2_000_000
_SHARES = {1: 0.05, 2: 0.3, 3: 20.0}
"""Budgets, as shares of what all impressions of the day cost."""

_TIGHT, _LOOSE = (0, 1), 2


def _entry(number: int, share: float) -> CatalogEntry:
    everything = DAY * _RATE * 400.0 * np.exp(0.6**2 / 2)
    budget = Budget(total_micros=int(share * everything), flight_seconds=DAY)
    return CatalogEntry(number, msgspec.structs.replace(make_campaign(value=_VALUE), budget=budget), _MIDNIGHT)


@pytest.fixture(scope="module")
def day() -> tuple[House, list[Balance]]:
    """Serve three campaigns for a day, their bills two ticks late."""
    entries = [_entry(number, share) for number, share in _SHARES.items()]
    house = House(entries, Market(np.random.default_rng(1), _RATE), _TICK, _MIDNIGHT)
    return house, asyncio.run(house.run(_TICKS))


def test_tight_budgets_are_spent(day: tuple[House, list[Balance]]) -> None:
    _, balances = day
    for row in _TIGHT:
        assert 0.97 <= balances[row].spent / balances[row].budget <= 1.0


def test_tight_budgets_are_spent_evenly(day: tuple[House, list[Balance]]) -> None:
    """Eighths of the day have 5 to 20% of its traffic. On a first day nobody knows which, and none takes more."""
    house, balances = day
    spent = np.array([*house.spent, [balance.spent for balance in balances]])
    for row in _TIGHT:
        part = np.diff(spent[:: _TICKS // 8, row]) / balances[row].budget
        assert len(part) == 8
        assert 0.04 < part.min() < part.max() < 0.22


def test_levels_do_not_swing(day: tuple[House, list[Balance]]) -> None:
    house, _ = day
    levels = np.log([table["level"] for table in house.tables[15 : -_TICKS // 20]])
    steps = np.abs(np.diff(levels, axis=0))
    assert np.exp(steps.max()) < 1.5
    assert np.exp(np.quantile(steps, 0.95)) < 1.15
    # An hour takes it somewhere or nowhere, and not there and back.
    hours = np.stack([levels[start : start + 30] for start in range(0, len(levels) - 30, 10)])
    assert np.exp(np.ptp(hours, axis=1).max()) < 2.5


def test_a_loose_budget_bids_what_an_impression_is_worth(day: tuple[House, list[Balance]]) -> None:
    house, balances = day
    assert all(table["level"][_LOOSE] > _VALUE for table in house.tables[1:])
    loose = balances[_LOOSE]
    assert loose.levels / loose.opportunities == _VALUE
    assert loose.bids == loose.opportunities


def test_nobody_bids_above_the_value_and_nothing_stays_unpaid(day: tuple[House, list[Balance]]) -> None:
    _, balances = day
    for balance in balances:
        assert balance.levels / balance.opportunities <= _VALUE * (1 + 1e-9)
        assert balance.unfunded == 0
