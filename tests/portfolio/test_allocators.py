"""What holds of every allocator, whatever the portfolio."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.allocation import RESERVE, Allocation
from portfolio.apportion import InfeasibleBounds
from portfolio.bandit import allocate_bandit
from portfolio.dual import DualState, allocate_dual
from portfolio.guard import steadied
from portfolio.manager import STRATEGIES, MultiCampaignManager
from portfolio.memory import Counts
from portfolio.performance import METRICS, allocate_by_performance
from portfolio.proportional import allocate_proportional
from portfolio.snapshot import CampaignState, Limits, Snapshot, Targets
from tests.portfolio.cases import campaign, snapshots


def twice_dual(snapshot: Snapshot) -> Allocation:
    """Return the second of two allocations, so that prices and multipliers carried over count."""
    return allocate_dual(snapshot, allocate_dual(snapshot, DualState())[1])[0]


ALLOCATORS: dict[str, Callable[[Snapshot], Allocation]] = {
    "proportional": allocate_proportional,
    **{metric: lambda snapshot, m=metric: allocate_by_performance(snapshot, m) for metric in METRICS},  # type: ignore[misc]
    "bandit": lambda snapshot: allocate_bandit(snapshot, np.random.default_rng(7)),
    "dual": twice_dual,
    "steadied": lambda snapshot: steadied(snapshot, twice_dual(snapshot), 0.1),
}


def least(one: CampaignState) -> int:
    return one.committed if one.paused else max(one.committed, one.limits.floor)


def most(one: CampaignState) -> int:
    """Return what the bounds allow without the step limit."""
    cap = 10**18 if one.limits.cap is None else one.limits.cap
    return max(least(one), min(cap, one.budget) if one.paused else cap)


@pytest.mark.parametrize("name", ALLOCATORS)
@given(snapshot=snapshots(), random=st.randoms())
def test_money_is_conserved_within_bounds_whoever_comes_first(name, snapshot, random):
    allocation = ALLOCATORS[name](snapshot)
    assert all(type(part) is int for part in allocation.micros.values())
    assert sum(allocation.micros.values()) + allocation.unallocated == snapshot.total
    assert allocation.unallocated >= 0
    for one in snapshot.campaigns:
        assert least(one) <= allocation.micros[one.id] <= most(one)
    mixed = list(snapshot.campaigns)
    random.shuffle(mixed)
    assert ALLOCATORS[name](Snapshot(snapshot.total, mixed, snapshot.periods)) == allocation


@pytest.mark.parametrize("name", ALLOCATORS)
@given(snapshot=snapshots())
def test_budgets_change_by_no_more_than_a_step_where_the_total_allows(name, snapshot):
    allocation = ALLOCATORS[name](snapshot)
    stepped = [one for one in snapshot.campaigns if one.limits.step is not None]
    for one in stepped:
        assert allocation.micros[one.id] <= max(least(one), one.budget + one.limits.step)
    lows = [
        min(most(one), max(least(one), one.budget - one.limits.step)) if one in stepped else least(one)
        for one in snapshot.campaigns
    ]
    if sum(lows) <= snapshot.total:
        assert all(allocation.micros[one.id] >= low for one, low in zip(snapshot.campaigns, lows, strict=True))


@pytest.mark.parametrize("name", ALLOCATORS)
@given(snapshot=snapshots())
def test_moves_lead_from_the_old_budgets_to_the_new_ones(name, snapshot):
    allocation = ALLOCATORS[name](snapshot)
    budgets = {one.id: one.budget for one in snapshot.campaigns}
    reserve = snapshot.total - sum(budgets.values())
    for move in allocation.moves:
        assert move.micros > 0
        assert move.because
        reserve += move.micros * ((move.target == RESERVE) - (move.source == RESERVE))
        for end, sign in ((move.source, -1), (move.target, 1)):
            if end != RESERVE:
                budgets[end] += sign * move.micros
    assert budgets == allocation.micros
    assert reserve == allocation.unallocated


@pytest.mark.parametrize("name", ALLOCATORS)
def test_floors_that_cannot_all_be_kept_are_refused(name):
    two = [campaign(name, limits=Limits(floor=60)) for name in "ab"]
    with pytest.raises(InfeasibleBounds, match="raise the total"):
        ALLOCATORS[name](Snapshot(100, two))


@given(snapshot=snapshots())
def test_a_manager_does_as_the_allocators_and_keeps_the_total(snapshot):
    manager = MultiCampaignManager(snapshot.total, snapshot.campaigns, periods=snapshot.periods)
    for strategy in STRATEGIES:
        allocation = manager.allocate(strategy)
        manager.apply(allocation)
        assert sum(manager[one.id].budget for one in snapshot.campaigns) + allocation.unallocated == manager.total


@pytest.mark.parametrize("targets", [Targets(roi=1.0), Targets(cpc=500), Targets(cpa=5_000)], ids=["roi", "cpc", "cpa"])
def test_a_missed_target_takes_money_from_a_campaign_under_the_dual(targets: Targets):
    """A click is worth 1,000 micros and costs as much, a conversion ten times that: each target asks for half of it."""
    period = Counts(1_000_000, 50_000, 1_000, 100, 1_000_000)
    other = campaign("b", *[period] * 5, event_value=1_000)

    def share(targets: Targets) -> int:
        state, last = DualState(), 0
        for _ in range(30):
            steered = campaign("a", *[period] * 5, event_value=1_000, targets=targets)
            allocation, state = allocate_dual(Snapshot(4_000_000, [steered, other]), state)
            last = allocation.micros["a"]
        return last

    assert share(Targets()) == pytest.approx(2_000_000, rel=0.01)
    assert share(targets) < 1_200_000


def test_a_target_that_is_met_takes_nothing():
    period = Counts(1_000_000, 50_000, 1_000, 100, 1_000_000)
    states = [
        campaign("a", period, event_value=1_000, targets=Targets(cpc=5_000)),
        campaign("b", period, event_value=1_000),
    ]
    allocation = allocate_dual(Snapshot(4_000_000, states))[0]
    assert allocation.micros["a"] == pytest.approx(2_000_000, rel=0.01)
