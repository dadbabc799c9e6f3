"""What a policy observes: finite, clipped, and campaign by campaign."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtb.models.observation import OBSERVATION, OBSERVATION_SIZE, PacingState, observe

_NAMES = [field.name for field in fields(PacingState)]
_LEVEL = {
    "budget_total": 100.0,
    "budget_left": 50.0,
    "time_total": 10.0,
    "time_left": 5.0,
    "recent_win_rate": 0.25,
    "recent_pctr": 0.01,
    "usual_pctr": 0.01,
    "recent_price": 2.0,
    "recent_price_std": 1.0,
    "usual_price": 2.0,
    "opportunities_left": 25.0,
    "level": 200.0,
    "level_forecast": 200.0,
    "level_quick": 200.0,
    "level_slow": 200.0,
    "level_ahead": 200.0,
}
_amounts = st.sampled_from([0.0, 5e-324, 1e-12, 1.0, 1e300]) | st.floats(0, 1e300)
_states = st.lists(st.fixed_dictionaries(dict.fromkeys(_NAMES, _amounts)), min_size=1, max_size=5)


def _observe(**changed: Any) -> dict[str, float]:
    row = observe(PacingState.stack([{**_LEVEL, **changed}]))[0]
    return dict(zip(OBSERVATION, row.tolist(), strict=True))


@given(_states)
@example([dict.fromkeys(_NAMES, 0.0)])
@example([dict.fromkeys(_NAMES, 1e300)])
def test_observation_is_finite_and_within_its_range(rows: list[dict[str, float]]) -> None:
    with np.errstate(all="ignore"):
        seen = observe(PacingState.stack(rows))
    assert seen.shape == (len(rows), OBSERVATION_SIZE)
    assert seen.dtype == np.float32
    assert np.isfinite(seen).all()
    assert (np.abs(seen) <= 3).all()


@given(_states, st.randoms())
def test_campaigns_in_another_order_are_observed_in_that_order(rows: list[dict[str, float]], source: Any) -> None:
    order = list(range(len(rows)))
    source.shuffle(order)
    with np.errstate(all="ignore"):
        seen = observe(PacingState.stack(rows))
        shuffled = observe(PacingState.stack([rows[place] for place in order]))
    assert np.array_equal(shuffled, seen[order])


@given(st.integers(-20, 20))
def test_unit_of_the_amounts_does_not_matter(exponent: int) -> None:
    unit = 2.0**exponent
    amounts = [name for name in _NAMES if name.startswith(("budget", "level")) or "price" in name]
    scaled = _observe(**{name: _LEVEL[name] * unit for name in amounts})
    assert scaled == pytest.approx(_observe(), abs=1e-5)


def test_campaign_on_schedule_is_level() -> None:
    seen = _observe()
    assert (seen["budget_left"], seen["time_left"], seen["win_rate"]) == (0.5, 0.5, 0.25)
    ratios = ("pace", "pctr_ratio", "price_ratio", "richness", "forecast", "quick", "slow", "ahead")
    assert [seen[name] for name in ratios] == pytest.approx([0] * len(ratios))
    assert seen["price_spread"] == 0.5
    assert seen["affordability"] == pytest.approx(0.0)  # 50 over 25 opportunities at 2 each


@pytest.mark.parametrize(
    ("component", "higher"),
    [
        ("pace", {"budget_left": 90.0}),
        ("time_left", {"time_left": 9.0}),
        ("win_rate", {"recent_win_rate": 0.9}),
        ("pctr_ratio", {"recent_pctr": 0.02}),
        ("price_ratio", {"recent_price": 4.0}),
        ("price_spread", {"recent_price_std": 2.0}),
        ("affordability", {"opportunities_left": 20.0}),
        ("wins_left", {"budget_left": 90.0}),
        ("wins_left", {"usual_price": 1.0}),
        ("horizon", {"opportunities_left": 30.0}),
        ("richness", {"level": 300.0}),
        ("richness", {"usual_pctr": 0.02}),
        ("forecast", {"level_forecast": 300.0}),
        ("quick", {"level_quick": 300.0}),
        ("slow", {"level_slow": 300.0}),
        ("ahead", {"level_ahead": 300.0}),
        ("ahead", {"level": 150.0}),
        ("affordability", {"usual_price": 1.0}),
    ],
)
def test_component_rises_with_what_it_measures(component: str, higher: dict[str, float]) -> None:
    assert _observe(**higher)[component] > _observe()[component]


@pytest.mark.parametrize("component", ["pctr_ratio", "price_ratio"])
def test_twice_and_half_are_as_far_from_level(component: str) -> None:
    name = f"recent_{component.removesuffix('_ratio')}"
    twice, half = (_observe(**{name: _LEVEL[name] * factor})[component] for factor in (2, 0.5))
    assert twice == pytest.approx(-half)


@pytest.mark.parametrize(
    ("unknown", "component"),
    [
        ("usual_pctr", "pctr_ratio"),
        ("usual_price", "price_ratio"),
        ("recent_price", "price_spread"),
        ("usual_price", "affordability"),
        ("usual_price", "wins_left"),
        ("usual_price", "richness"),
        *(("level", name) for name in ("forecast", "quick", "slow", "ahead")),
    ],
)
def test_what_is_not_known_yet_is_level(unknown: str, component: str) -> None:
    assert _observe(**{unknown: 0.0})[component] == 0


@pytest.mark.parametrize(
    ("component", "state"),
    [("wins_left", {"budget_left": 99.0, "usual_price": 1.0}), ("horizon", {"opportunities_left": 99.0})],
)
def test_a_hundred_is_one_and_more_than_a_thousand_is_a_thousand(component: str, state: dict[str, float]) -> None:
    (name, hundred), *rest = state.items()
    seen = [_observe(**{name: count, **dict(rest)})[component] for count in (hundred, 1_000.0, 80_000.0)]
    assert seen == [pytest.approx(1.0), pytest.approx(1.5, abs=1e-3), seen[1]]


@pytest.mark.parametrize("component", ["forecast", "quick", "slow", "ahead"])
def test_levels_are_compared_to_the_loops_own(component: str) -> None:
    assert _observe(**{f"level_{component}": 400.0})[component] == pytest.approx(np.log(2.0))
    assert _observe(**{f"level_{component}": 100.0})[component] == pytest.approx(-np.log(2.0))


def test_campaign_without_a_budget_has_nothing_left() -> None:
    assert _observe(budget_total=0.0, budget_left=0.0)["budget_left"] == 0
