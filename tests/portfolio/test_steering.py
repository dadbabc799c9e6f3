"""Bids are steered to targets: only where it is sure that one is missed, and never above what something is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.memory import Counts
from portfolio.snapshot import CampaignState, Limits, Targets
from portfolio.steering import LEAST, MOST_DOWN, MOST_UP, steer, steered
from rtb.money.accounts import arm_of
from rtb.pacing.snapshot import PACING_DTYPE
from tests.portfolio.cases import campaign, clicks, states


def spent(events: int, spend: int = 1_000_000, conversions: int = 0, **fields: object) -> CampaignState:
    period = Counts(spend, 100_000, events, conversions, events * 1_000)
    return campaign("one", period, event_value=1_000, **fields)


def test_without_a_target_everything_is_bid() -> None:
    assert steer(spent(10), 0.5).multiplier == 1.0


def test_what_costs_too_much_is_bid_less_for() -> None:
    told = steer(spent(400, targets=Targets(cpc=1_000)), 1.0)  # a click costs 2,500
    assert told.multiplier == pytest.approx(MOST_DOWN)
    assert "a click costs 2,497 micros for a target of 1,000, so bids go down" in told.because


def test_what_costs_less_may_be_bid_more_for_again_but_never_more_than_it_is_worth() -> None:
    state = spent(400, targets=Targets(cpc=10_000))
    assert steer(state, 0.5).multiplier == pytest.approx(0.5 * MOST_UP)
    assert steer(state, 0.99).multiplier == 1.0
    assert steer(state, 1.0).multiplier == 1.0


def test_a_few_clicks_prove_nothing() -> None:
    state = spent(1, targets=Targets(cpc=600_000))  # one for a million: it may as well be 250,000 each
    assert steer(state, 0.7).multiplier == 0.7


def test_many_that_never_come_prove_something() -> None:
    assert steer(spent(0, targets=Targets(cpc=1_000)), 1.0).multiplier == pytest.approx(MOST_DOWN)


def test_below_its_least_spend_nobody_is_judged() -> None:
    state = spent(400, targets=Targets(cpc=1_000), limits=Limits(least_spend=2_000_000))
    assert steer(state, 0.9).multiplier == 0.9
    assert steer(CampaignState("new", targets=Targets(cpc=1)), 0.9).multiplier == 0.9


def test_of_several_targets_the_one_that_is_missed_by_most_counts() -> None:
    state = spent(1_000, conversions=10, targets=Targets(cpc=5_000, cpa=1_000))
    assert "a conversion costs" in steer(state, 1.0).because
    state = spent(1_000, targets=Targets(cpc=5_000, roi=1.0))  # worth 1,000 each, cost 1,000 each: ROI is 0
    assert "target of 500" in steer(state, 1.0).because


@given(state=states("any"), current=st.floats(LEAST, 1.0), target=st.integers(1, 2**53))
def test_a_step_is_small_and_the_factor_within_its_bounds(state: CampaignState, current: float, target: int) -> None:
    state = campaign("any", clicks(3), targets=Targets(cpc=target)) if state.targets == Targets() else state
    multiplier = steer(state, current).multiplier
    assert LEAST <= multiplier <= 1.0
    if state.targets != Targets():
        assert MOST_DOWN * current - 1e-12 <= max(multiplier, LEAST) or multiplier == LEAST
        assert multiplier <= max(MOST_UP * current, current) + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_the_cost_of_a_click_comes_to_its_target_and_stays(seed: int) -> None:
    """In a market where a click costs six tenths of what is bid for it, at most."""
    random, worth, target = np.random.default_rng(seed), 50_000, 12_000
    state, factor, costs = campaign("one", event_value=worth, targets=Targets(cpc=target)), 1.0, []
    for _ in range(120):
        cost = 0.6 * worth * factor
        clicked = int(random.poisson(400_000 / cost))
        period = Counts(400_000 if clicked else 0, 50_000, clicked, 0, clicked * worth)
        state = replace(state, counts=state.counts.plus(period), memory=state.memory.after(period))
        factor = steer(state, factor).multiplier
        costs.append(cost)
    assert costs[0] == 30_000
    assert np.mean(costs[60:]) == pytest.approx(target, rel=0.15)
    assert np.std(costs[60:]) < 0.2 * target


def test_a_table_is_steered_by_campaign_and_its_arms_with_it() -> None:
    table = np.zeros(4, PACING_DTYPE)
    table["number"] = [1, 2, arm_of(1, 3), 4]
    table["value_micros"] = 1_000
    steered(table, {1: 0.5, 4: 1e-9})
    assert table["value_micros"].tolist() == [500, 1_000, 500, 1]
