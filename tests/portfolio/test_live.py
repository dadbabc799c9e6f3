"""A portfolio at work, by figures as catalog and ledger tell them: no money appears or vanishes, and collapses show."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio import live
from portfolio.definition import Member, Portfolio
from portfolio.live import MemberAccount, MemberState, PortfolioState
from portfolio.manager import STRATEGIES
from rtb.campaigns.campaign import Budget
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance
from tests.rtb.builders import make_campaign

HOUR = 3_600.0
VALUE = 50_000


def entry(number: int, name: str, **fields: Any) -> CatalogEntry:
    campaign = make_campaign(name, value=VALUE, **fields)
    budget = Budget(total_micros=10_000_000, flight_seconds=20 * HOUR)
    return CatalogEntry(number, msgspec.structs.replace(campaign, budget=budget), 0.0)


def portfolio(*names: str, **fields: Any) -> Portfolio:
    return Portfolio(id="all", members=tuple(Member(campaign=name) for name in names), **fields)


class World:
    """Campaigns that spend what pacing gives them, as far as their markets go."""

    def __init__(self, portfolio: Portfolio, rates: dict[str, float], budget: int = 10_000_000) -> None:
        self.portfolio, self.rates = portfolio, rates  # clicks by micro
        self.entries = {name: entry(n, name) for n, name in enumerate(rates, start=1)}
        self.balances = {name: Balance(budget=budget, available=budget) for name in rates}
        self.state, self.now = PortfolioState(), 0.0
        self.reach = dict.fromkeys(rates, math.inf)

    @property
    def seen(self) -> dict[str, MemberAccount]:
        return live.named([MemberAccount(self.entries[name], self.balances[name]) for name in self.rates])

    def step(self) -> None:
        """Spend for an interval, then decide and move."""
        for name, own in self.balances.items():
            planned = live._planned(MemberAccount(self.entries[name], own), self.portfolio.interval_seconds, self.now)
            spend = int(min(planned, self.reach[name], own.available))
            spent, bills = own.spent + spend, own.bills + spend // 1_000
            clicks, left = int(spent * self.rates[name]), own.available - spend
            self.balances[name] = own._replace(available=left, spent=spent, bills=bills, clicks=clicks)
        self.now += self.portfolio.interval_seconds
        has_period = self.state.has_period(self.portfolio, self.now)
        self.state = live.observed(self.portfolio, self.state, self.seen, self.now)
        if not has_period:
            return
        decision = live.decide(self.portfolio, self.state, self.seen, self.now)
        changes = live.changes_of(decision.transfers, [one.micros for one in decision.transfers])
        state = live.planned(self.portfolio, decision.state, self.seen, changes, self.now)
        self.state = live.decode_state(live.encode_state(state))  # as it is kept
        names = {one.number: name for name, one in self.entries.items()}
        for one in decision.transfers:
            for name, change in ((names[one.source], -one.micros), (names[one.target], one.micros)):
                own = self.balances[name]
                assert own.available + change >= 0
                self.balances[name] = own._replace(
                    budget=own.budget + change, available=own.available + change, moved=own.moved + change
                )


@pytest.mark.parametrize("strategy", ["dual", "bandit"])
def test_money_leaves_a_market_that_collapses(strategy: Any) -> None:
    world = World(
        portfolio("a", "b", "c", strategy=strategy, interval_seconds=HOUR / 2, most_move=0.5),
        {"a": 4e-5, "b": 3e-5, "c": 2e-5},
    )
    for _ in range(6):
        world.step()
    before = world.balances["a"].available
    world.reach["a"] = 0  # nobody sells there any more
    for _ in range(5):
        world.step()
    assert world.balances["a"].available < 0.2 * before
    assert sum(one.budget for one in world.balances.values()) == 30_000_000
    assert sum(one.moved for one in world.balances.values()) == 0


def test_a_market_that_comes_back_is_found_again() -> None:
    world = World(portfolio("a", "b", interval_seconds=HOUR / 2, most_move=0.5), {"a": 6e-5, "b": 2e-5})
    world.reach["a"] = 0
    for _ in range(8):
        world.step()
    assert world.balances["a"].available < 3_000_000
    world.reach["a"] = math.inf
    for _ in range(24):
        world.step()
    assert world.balances["a"].spent > 2_000_000


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_budgets_add_up_whatever_the_strategy(strategy: Any) -> None:
    world = World(portfolio("a", "b", strategy=strategy, interval_seconds=HOUR), {"a": 6e-5, "b": 1e-5})
    for _ in range(8):
        world.step()
        assert sum(one.budget for one in world.balances.values()) == 20_000_000
    assert world.state.decisions == 7


def test_nothing_moves_before_there_is_something_to_judge_by() -> None:
    world = World(portfolio("a", "b", interval_seconds=HOUR), {"a": 9e-5, "b": 1e-6})
    world.step()
    assert world.state.decisions == 0
    assert all(one.moved == 0 for one in world.balances.values())


def test_after_a_pause_nothing_is_judged_by_what_came_meanwhile() -> None:
    world = World(portfolio("a", "b", interval_seconds=HOUR / 4), {"a": 5e-5, "b": 1e-5})
    for _ in range(4):
        world.step()
    memory = world.state.members["a"].memory
    world.now += HOUR
    before = {name: one.budget for name, one in world.balances.items()}
    world.step()
    assert {name: one.budget for name, one in world.balances.items()} == before
    assert world.state.members["a"].memory == memory
    world.step()
    assert world.state.members["a"].memory.spend > memory.spend * 0.9
    assert world.state.decisions == 4


def test_a_step_moves_no_more_than_the_portfolio_says() -> None:
    world = World(portfolio("a", "b", "c", interval_seconds=HOUR, most_move=0.01), {"a": 9e-5, "b": 1e-6, "c": 1e-6})
    for _ in range(4):
        before = {name: one.budget for name, one in world.balances.items()}
        world.step()
        assert all(abs(one.budget - before[name]) <= 300_000 for name, one in world.balances.items())


def test_who_has_not_started_keeps_its_money_and_who_is_over_gives_it() -> None:
    world = World(portfolio("a", "b", interval_seconds=HOUR, most_move=1.0), {"a": 5e-5, "b": 5e-5})
    world.entries["b"] = world.entries["b"]._replace(created=1e9)
    for _ in range(3):
        world.step()
    assert world.balances["b"].budget == 10_000_000
    world.entries["b"] = entry(2, "b", status="paused")
    world.step()
    assert world.balances["b"].budget == world.balances["b"].spent


def test_members_that_are_not_there_are_passed_over() -> None:
    world = World(portfolio("a", "b", "ghost", interval_seconds=HOUR), {"a": 5e-5, "b": 1e-5})
    world.balances["b"] = Balance()  # the ledger has not heard of it
    for _ in range(3):
        world.step()
    assert [one.id for one in live.snapshot_of(world.portfolio, world.state, world.seen, 0).campaigns] == ["a"]


def test_a_target_lowers_what_is_bid() -> None:
    member = Member(campaign="a", target_cpc_micros=5_000)
    world = World(Portfolio(id="all", interval_seconds=HOUR, members=(member,)), {"a": 5e-5})  # a click for 20,000
    for _ in range(4):
        world.step()
    assert world.state.steering == {"a": pytest.approx(0.8**3)}
    assert "bids go down" in world.state.members["a"].because


def test_a_state_that_cannot_be_read_is_begun_anew() -> None:
    assert live.decode_state("") == live.decode_state('{"members": 3}') == PortfolioState()
    state = PortfolioState(at=5.0, members={"a": MemberState(planned=7)})
    assert live.decode_state(live.encode_state(state)) == state


@given(at=st.floats(0, 1e10), interval=st.floats(1, 86_400), now=st.floats(0, 1e10))
def test_a_paused_portfolio_is_never_due(at: float, interval: float, now: float) -> None:
    state = PortfolioState(at=at)
    assert not state.is_due(portfolio("a", status="paused", interval_seconds=interval), now)
    assert state.is_due(portfolio("a", interval_seconds=interval), now) == (now >= at + interval)
