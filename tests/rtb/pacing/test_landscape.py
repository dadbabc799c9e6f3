"""The spend a landscape expects is that of its auctions, and it finds the scale that spends so much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.pacing.landscape import Landscape
from tests.support import examples

SEEDS = st.integers(0, 2**32 - 1)


def market(seed: int, n: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(-6, 1, n)), np.rint(np.exp(rng.normal(4, 0.7, n)))


@settings(max_examples=examples(25))
@given(seed=SEEDS, bid=st.floats(5.0, 500.0), kind=st.sampled_from(["second", "first"]))
def test_expected_spend_is_what_the_past_would_have_cost(seed: int, bid: float, kind: str) -> None:
    pctr, price = market(seed)
    scale = bid / np.exp(-6)
    won = scale * pctr >= price
    cost = np.where(won, price if kind == "second" else scale * pctr, 0).mean()
    table = Landscape.of(pctr, price, kind)  # type: ignore[arg-type]
    assert table.spend(np.array([scale]))[0] == pytest.approx(cost, rel=0.03, abs=0.05)


@settings(max_examples=examples(25))
@given(seed=SEEDS, part=st.floats(0.01, 0.95))
def test_scale_inverts_spend(seed: int, part: float) -> None:
    pctr, price = market(seed)
    table = Landscape.of(pctr, price)
    wanted = np.array([part * price.mean()])
    assert table.spend(table.scale(wanted))[0] == pytest.approx(wanted[0], rel=1e-6)
    assert table.scale(wanted * 1.05)[0] >= table.scale(wanted)[0]


def test_more_than_the_market_has_wins_everything() -> None:
    pctr, price = market(1)
    scale = Landscape.of(pctr, price).scale(np.array([1e9]))[0]
    assert (scale * pctr >= price).all()


def test_campaigns_side_by_side_are_the_same_as_alone() -> None:
    parts = [Landscape.of(*market(seed)) for seed in range(3)]
    together, wanted = Landscape.stack(parts).take([2, 0, 1, 2]), np.array([5.0, 10.0, 20.0, 40.0])
    alone = [parts[i].scale(np.array([w]))[0] for i, w in zip((2, 0, 1, 2), wanted, strict=True)]
    assert together.scale(wanted).tolist() == alone


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Landscape.of(np.zeros(0), np.zeros(0))


_LOG_NORMAL = st.tuples(st.floats(10.0, 1e4), st.floats(0.1, 1.2), st.floats(1e-4, 1e-2), st.floats(0.0, 1.2))


def smooth(traits: tuple[float, ...]) -> Landscape:
    return Landscape.log_normal(*(np.array([trait]) for trait in traits))


@settings(max_examples=examples(15))
@given(seed=SEEDS, traits=_LOG_NORMAL, place=st.floats(-1.5, 1.5))
def test_log_normal_landscape_is_that_of_a_sample(seed: int, traits: tuple[float, ...], place: float) -> None:
    (median, price_spread, mean, spread), rng = traits, np.random.default_rng(seed)
    price = median * np.exp(price_spread * rng.standard_normal(200_000))
    pctr = mean * np.exp(spread * rng.standard_normal(200_000) - spread**2 / 2)
    scale = median / mean * np.exp(place)
    paid = np.where(scale * pctr >= price, price, 0.0)
    error = 5 * paid.std() / np.sqrt(len(paid)) + 5 * price.mean() / len(paid)  # of wins too rare for the sample
    assert smooth(traits).spend(np.array([scale]))[0] == pytest.approx(paid.mean(), rel=0.01, abs=error)


@given(traits=_LOG_NORMAL, part=st.floats(1e-4, 0.999))
def test_log_normal_landscape_finds_the_scale_of_a_spend(traits: tuple[float, ...], part: float) -> None:
    table = smooth(traits)
    wanted = part * table.spend_table[:, -1]
    assert table.spend(table.scale(wanted)) == pytest.approx(wanted, rel=1e-6)
    assert table.scale(table.spend(table.scale(wanted))) == pytest.approx(table.scale(wanted), rel=1e-6)


@given(traits=_LOG_NORMAL, part=st.floats(0.01, 1.0), place=st.floats(-3.0, 3.0))
def test_thinned_landscape_spends_that_part_at_any_scale(traits: tuple[float, ...], part: float, place: float) -> None:
    table, scale = smooth(traits), np.array([traits[0] / traits[2] * np.exp(place)])
    thinned = table.thinned(np.array([part]))
    assert thinned.spend(scale) == pytest.approx(part * table.spend(scale))
    wanted = 0.5 * table.spend_table[:, -1]
    assert thinned.scale(part * wanted) == pytest.approx(table.scale(wanted))


@given(traits=_LOG_NORMAL, factor=st.floats(0.2, 5.0))
def test_who_believes_prices_to_be_higher_bids_higher_by_as_much(traits: tuple[float, ...], factor: float) -> None:
    table, believed = smooth(traits), smooth(traits).believed(np.array([factor]), np.ones(1))
    wanted = 0.3 * table.spend_table[:, -1]
    assert believed.scale(factor * wanted) == pytest.approx(factor * table.scale(wanted))
