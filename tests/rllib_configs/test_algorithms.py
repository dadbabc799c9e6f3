"""Each algorithm builds, learns something, and exports a policy that acts as its RLModule does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from rllib_configs import dqn, ppo
from rllib_configs.env import OBSERVATION_SPACE, action_space, multipliers
from rllib_configs.registry import TrainingRun
from rtb.models import policy
from rtb.models.observation import MULTIPLIER_HIGH, MULTIPLIER_LOW, OBSERVATION_SIZE

pytestmark = pytest.mark.cluster

OBSERVATIONS = np.random.default_rng(0).uniform(-3, 3, (256, OBSERVATION_SIZE)).astype(np.float32)


class Trained(NamedTuple):
    """An algorithm after one iteration, and what its policy gave for `OBSERVATIONS` before and after it."""

    recipe: ModuleType
    algorithm: Any
    multipliers_before: np.ndarray
    outputs: np.ndarray


@contextmanager
def training(recipe: ModuleType, seed: int = 1) -> Iterator[Trained]:
    """Build a small algorithm and train it for one iteration."""
    algorithm = recipe.build_config(TrainingRun(steps=2_000, num_envs=12, markets=2, seed=seed)).build_algo()
    try:
        before = recipe.export(algorithm).multipliers(OBSERVATIONS)
        algorithm.train()
        yield Trained(recipe, algorithm, before, recipe.export(algorithm).forward(OBSERVATIONS))
    finally:
        algorithm.stop()


@pytest.fixture(scope="module", params=[ppo, dqn], ids=["ppo", "dqn"])
def trained(request: pytest.FixtureRequest, local_ray: None) -> Iterator[Trained]:
    with training(request.param) as found:
        yield found


def _forward(module: Any) -> dict[str, Any]:
    with torch.no_grad():
        outputs: dict[str, Any] = module.forward_inference({"obs": torch.from_numpy(OBSERVATIONS)})
    return outputs


def test_exported_policy_is_the_rl_module(trained: Trained) -> None:
    recipe, algorithm, *_ = trained
    exported, module = recipe.export(algorithm), algorithm.get_module()
    if recipe is ppo:
        mean = _forward(module)["action_dist_inputs"][:, :1].numpy()
        assert np.abs(exported.forward(OBSERVATIONS) - mean).max() < 1e-5
        assert mean.std() > 1e-3
    else:
        with torch.no_grad():
            q = module.compute_q_values({"obs": torch.from_numpy(OBSERVATIONS)})["qf_preds"].numpy()
        advantage = exported.forward(OBSERVATIONS)
        # The dueling head adds a value and takes off the mean advantage: differences between levels are the same.
        assert np.abs((q - q[:, :1]) - (advantage - advantage[:, :1])).max() < 1e-5
        assert np.array_equal(advantage.argmax(axis=1), _forward(module)["actions"].numpy())


def test_exported_policy_acts_as_rllib_does(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """What RLlib's connectors hand to the environment, as multipliers, is what the exported policy would bid with."""
    recipe, algorithm, *_ = trained
    env = algorithm.env_runner.env.unwrapped
    reset, step = env.reset, env.step
    shown: list[Any] = []
    played: list[tuple[Any, Any]] = []

    def spy_reset(**options: Any) -> Any:
        shown.append(reset(**options)[0])
        return shown[-1], {}

    def spy_step(actions: Any) -> Any:
        played.append((shown[-1], multipliers(env._actions, actions)))
        result = step(actions)
        shown.append(result[0])
        return result

    monkeypatch.setattr(env, "reset", spy_reset)
    monkeypatch.setattr(env, "step", spy_step)
    algorithm.env_runner.sample(num_episodes=4, explore=False)
    algorithm.env_runner.get_metrics()
    assert len(played) >= 50
    exported = recipe.export(algorithm)
    for observation, chosen in played:
        assert np.abs(exported.multipliers(observation) - chosen).max() < 1e-5


def test_exported_policy_survives_the_disk(trained: Trained, tmp_path: Any) -> None:
    recipe, algorithm, *_ = trained
    exported = recipe.export(algorithm)
    policy.save(tmp_path / "policy", exported, metrics={}, trained_on="a test")
    loaded = policy.load(tmp_path / "policy")
    assert np.array_equal(loaded.multipliers(OBSERVATIONS), exported.multipliers(OBSERVATIONS))
    chosen = loaded.multipliers(OBSERVATIONS)
    assert ((chosen >= MULTIPLIER_LOW) & (chosen <= MULTIPLIER_HIGH)).all()


def test_spaces_are_the_environments(trained: Trained) -> None:
    recipe, algorithm, *_ = trained
    module = algorithm.get_module()
    assert module.observation_space == OBSERVATION_SPACE
    assert module.action_space.shape == action_space("continuous" if recipe is ppo else "levels").shape


def test_an_untrained_policy_is_the_closed_loop(trained: Trained) -> None:
    distance = np.abs(np.log(trained.multipliers_before)).mean()
    assert distance < (0.01 if trained.recipe is ppo else 0.1)  # of 0.69 either way


def test_same_seed_same_policy(trained: Trained) -> None:
    with training(trained.recipe) as again, training(trained.recipe, seed=6) as other:
        assert np.array_equal(trained.outputs, again.outputs)
        assert not np.array_equal(trained.outputs, other.outputs)
