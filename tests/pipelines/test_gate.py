"""What the gate decides by: chance closes it as rarely as it says, and a real loss always does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ctr_training.fitting import FitOptions
from pipelines.datasets import ClickData, simulate
from pipelines.gate import ctr as ctr_gate
from pipelines.gate import policy as policy_gate
from pipelines.gate.comparison import NotComparable, measure, resamples
from pipelines.train_ctr import train
from rtb.models.ctr import CTRScorer
from rtb.models.scores import CLICK
from simulation import reference
from simulation.optimum import auc


@pytest.fixture(scope="module")
def data() -> ClickData:
    return simulate(reference.market(), reference.campaigns(), 16_000, 3, lambda _: None)


@pytest.fixture(scope="module")
def trained(data: ClickData) -> CTRScorer:
    trained = train(data.split(0.5)[0], FitOptions(), "platt")
    return CTRScorer(trained.network, "trained", trained.calibration)


def _shares(seed: int, gain: float) -> tuple[np.ndarray, np.ndarray]:
    """Shares of two policies in the same episodes: what the episode gives to both, what each does, and a gain."""
    rng = np.random.default_rng(seed)
    common, noise = rng.normal(0.9, 0.1, 200), rng.normal(0.0, 0.01, (2, 200))
    return common + noise[0] + gain, common + noise[1]


def test_chance_closes_the_gate_as_rarely_as_it_says_and_a_loss_of_half_a_percent_always() -> None:
    every = np.ones(200)
    level = [policy_gate.compare(*_shares(seed, 0.0), every, "b", "x").objection for seed in range(400)]
    assert 1 <= sum(map(bool, level)) <= 0.05 * len(level)  # one-sided: 2.5% are to be expected
    worse = [policy_gate.compare(*_shares(seed, -0.005), every, "b", "x").objection for seed in range(40)]
    assert all("worse than b on x: value share" in objection for objection in worse)


@given(st.integers(1, 60), st.integers(1, 200))
def test_each_sample_draws_as_many_as_there_are(count: int, draws: int) -> None:
    drawn = resamples(count, draws)
    assert drawn.shape == (draws, count)
    assert (drawn.sum(axis=1) == count).all()
    assert (drawn == resamples(count, draws)).all()


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=50), st.booleans())
def test_less_is_better_is_more_is_better_of_the_negative(gains: list[float], less: bool) -> None:
    sign = -1.0 if less else 1.0
    one, other = (
        measure("m", 1.0, 2.0, np.array(gains), sign=sign),
        measure("m", -1.0, -2.0, -np.array(gains), sign=-sign),
    )
    assert (one.gain, one.low, one.high) == pytest.approx((other.gain, other.low, other.high))
    assert one.low <= one.high


def test_a_model_is_as_good_as_itself(trained: CTRScorer, data: ClickData) -> None:
    comparison = ctr_gate.compare(trained, trained, data.split(0.5)[1], "here")
    assert comparison.objection == ""
    assert {(one.gain, one.low, one.high) for one in comparison.measures} == {(0.0, 0.0, 0.0)}


def test_a_trained_model_passes_and_the_prior_does_not(trained: CTRScorer, data: ClickData) -> None:
    later = data.split(0.5)[1]
    forth = ctr_gate.compare(trained, CTRScorer.untrained(), later, "here")
    back = ctr_gate.compare(CTRScorer.untrained(), trained, later, "here")
    assert forth.objection == ""
    assert back.objection.startswith("worse than trained on here: log loss")
    by_name = {one.name: one for one in forth.measures}
    assert by_name["AUC"].candidate == pytest.approx(auc(trained.score(later.rows)[:, CLICK], later.click))
    assert by_name["AUC"].champion == 0.5
    assert by_name["log loss"].low < by_name["log loss"].gain < by_name["log loss"].high


def test_without_clicks_nothing_is_decided(trained: CTRScorer, data: ClickData) -> None:
    few = ClickData(data.rows[:500], np.zeros(500, np.float32), np.zeros(500, np.float32))
    with pytest.raises(NotComparable, match="0 clicks on 500 impressions"):
        ctr_gate.compare(trained, trained, few, "here")
