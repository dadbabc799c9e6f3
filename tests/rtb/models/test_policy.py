"""The served policy: multipliers in range, the same before and after the disk."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtb.models import artefacts, observation, policy
from rtb.models.artefacts import ArtefactError
from rtb.models.observation import MULTIPLIER_HIGH, MULTIPLIER_LOW, OBSERVATION_SIZE
from rtb.models.policy import Policy, multiplier_levels, neutral, unsquash
from tests.support import examples

_ACTIVATIONS: list[policy.Activation] = ["tanh", "relu", "elu"]
_HEADS: list[policy.Head] = ["continuous", "levels"]


def _make_policy(
    seed: int = 1,
    head: policy.Head = "continuous",
    activation: policy.Activation = "tanh",
    hidden: tuple[int, ...] = (8,),
) -> Policy:
    source = np.random.default_rng(seed)
    levels = multiplier_levels(7) if head == "levels" else np.empty(0)
    widths = (OBSERVATION_SIZE, *hidden, len(levels) or 1)
    layers = tuple(
        (source.normal(0, 1, (out, into)).astype(np.float32), source.normal(0, 1, out).astype(np.float32))
        for into, out in pairwise(widths)
    )
    return Policy(layers, activation, head, levels, "test")


def _observations(seed: int = 2, count: int = 20) -> Any:
    return np.random.default_rng(seed).uniform(-3, 3, (count, OBSERVATION_SIZE)).astype(np.float32)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2**32),
    st.sampled_from(_HEADS),
    st.sampled_from(_ACTIVATIONS),
    st.lists(st.integers(1, 16), max_size=3).map(tuple),
)
def test_saved_policy_gives_the_same_multipliers_in_range(
    tmp_path: Path, seed: int, head: policy.Head, activation: policy.Activation, hidden: tuple[int, ...]
) -> None:
    made = _make_policy(seed, head, activation, hidden)
    meta = policy.save(tmp_path / "policy", made, metrics={"value": 1.0}, trained_on="a test")
    loaded = policy.load(tmp_path / "policy")
    multipliers = loaded.multipliers(_observations(seed))
    assert np.array_equal(multipliers, made.multipliers(_observations(seed)))
    assert ((multipliers >= MULTIPLIER_LOW) & (multipliers <= MULTIPLIER_HIGH)).all()
    assert loaded.version == meta.version


@pytest.mark.parametrize("activation", _ACTIVATIONS)
def test_outputs_are_those_of_the_same_network_in_torch(activation: policy.Activation) -> None:
    made = _make_policy(activation=activation, hidden=(8, 5))
    non_linearity = {"tanh": torch.tanh, "relu": torch.relu, "elu": torch.nn.functional.elu}[activation]
    hidden = torch.from_numpy(_observations())
    for weight, bias in made.layers[:-1]:
        hidden = non_linearity(hidden @ torch.from_numpy(weight).T + torch.from_numpy(bias))
    weight, bias = made.layers[-1]
    expected = hidden @ torch.from_numpy(weight).T + torch.from_numpy(bias)
    assert made.forward(_observations()) == pytest.approx(expected.numpy(), abs=1e-5)


def test_level_of_the_largest_output_is_chosen() -> None:
    levels = multiplier_levels(5)
    for wanted in range(5):
        bias = np.eye(5, dtype=np.float32)[wanted]
        made = Policy(((np.zeros((5, OBSERVATION_SIZE), np.float32), bias),), "tanh", "levels", levels, "test")
        assert (made.multipliers(_observations()) == levels[wanted]).all()


@pytest.mark.parametrize(
    ("action", "multiplier"),
    [
        (-1.0, MULTIPLIER_LOW),
        (1.0, MULTIPLIER_HIGH),
        (-9.0, MULTIPLIER_LOW),
        (9.0, MULTIPLIER_HIGH),
        (0.0, 1.0),
        (0.5, 2**0.5),
    ],
)
def test_action_is_stretched_over_the_range(action: float, multiplier: float) -> None:
    assert unsquash(np.array([action])) == pytest.approx([multiplier])


@pytest.mark.parametrize("count", [2, 3, 7, 15, 21])
def test_levels_cover_the_range(count: int) -> None:
    levels = multiplier_levels(count)
    assert len(levels) == count
    assert (np.diff(levels) > 0).all()
    assert 1.0 in levels
    assert levels[-1] == pytest.approx(MULTIPLIER_HIGH)
    assert levels[0] == pytest.approx(MULTIPLIER_LOW if count > 2 else 1.0)  # of two, one is 1.0 itself


@given(st.floats(-1, 1))
def test_as_far_down_is_as_far_as_up(action: float) -> None:
    down, up = unsquash(np.array([-action, action]))
    assert down * up == pytest.approx(1.0)


def test_neutral_policy_leaves_the_value_as_it_is() -> None:
    assert (neutral().multipliers(_observations()) == 1.0).all()


def test_meta_says_how_it_was_trained(tmp_path: Path) -> None:
    made = _make_policy()
    meta = policy.save(tmp_path / "p", made, metrics={}, trained_on="a test", config={"algorithm": "PPO", "head": "no"})
    assert meta.config["algorithm"] == "PPO"
    assert meta.config["head"] == "continuous"  # what rebuilds the network comes before what is told of it
    assert meta.schema_version == observation.SCHEMA_VERSION


@pytest.mark.parametrize("missing", ["layer.0.weight", "layer.1.bias", "levels", "activation", "layers"])
def test_artefact_that_lacks_a_part_is_refused(tmp_path: Path, missing: str) -> None:
    policy.save(tmp_path / "p", _make_policy(), metrics={}, trained_on="a test")
    whole = artefacts.load(tmp_path / "p", kind="policy", schema_version=observation.SCHEMA_VERSION)
    artefacts.save(
        tmp_path / "p",
        kind="policy",
        schema_version=observation.SCHEMA_VERSION,
        tensors={name: value for name, value in whole.tensors.items() if name != missing},
        config={name: value for name, value in whole.meta.config.items() if name != missing},
        metrics={},
        trained_on="a test",
    )
    with pytest.raises(ArtefactError, match=missing):
        policy.load(tmp_path / "p")
