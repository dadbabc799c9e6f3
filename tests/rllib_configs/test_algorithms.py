"""Each algorithm builds, learns something, and exports a policy that acts as its RLModule does."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from rllib_configs import dqn, ppo
from rllib_configs.env import OBSERVATION_SPACE, action_space, multipliers
from rllib_configs.registry import Run
from rtb.models import policy
from rtb.models.observation import MULTIPLIER_HIGH, MULTIPLIER_LOW, OBSERVATION_SIZE

OBSERVATIONS = np.random.default_rng(0).uniform(-3, 3, (256, OBSERVATION_SIZE)).astype(np.float32)


def small(seed: int = 1) -> Run:
    return Run(steps=2_000, num_envs=12, markets=2, seed=seed)


@pytest.fixture(scope="module", params=[ppo, dqn], ids=["ppo", "dqn"])
def trained(request: pytest.FixtureRequest, local_ray: None) -> Iterator[tuple[ModuleType, Any]]:
    """Yield the recipe and its algorithm after one iteration."""
    algorithm = request.param.build_config(small()).build_algo()
    algorithm.train()
    yield request.param, algorithm
    algorithm.stop()


def _forward(module: Any) -> dict[str, Any]:
    with torch.no_grad():
        outputs: dict[str, Any] = module.forward_inference({"obs": torch.from_numpy(OBSERVATIONS)})
    return outputs


def test_exported_policy_is_the_rl_module(trained: tuple[ModuleType, Any]) -> None:
    recipe, algorithm = trained
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


def test_exported_policy_acts_as_rllib_does(trained: tuple[ModuleType, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What RLlib's connectors hand to the environment, as multipliers, is what the exported policy would bid with."""
    recipe, algorithm = trained
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


def test_exported_policy_survives_the_disk(trained: tuple[ModuleType, Any], tmp_path: Any) -> None:
    recipe, algorithm = trained
    exported = recipe.export(algorithm)
    policy.save(tmp_path / "policy", exported, metrics={}, trained_on="a test")
    loaded = policy.load(tmp_path / "policy")
    assert np.array_equal(loaded.multipliers(OBSERVATIONS), exported.multipliers(OBSERVATIONS))
    chosen = loaded.multipliers(OBSERVATIONS)
    assert ((chosen >= MULTIPLIER_LOW) & (chosen <= MULTIPLIER_HIGH)).all()


def test_spaces_are_the_environments(trained: tuple[ModuleType, Any]) -> None:
    recipe, algorithm = trained
    module = algorithm.get_module()
    assert module.observation_space == OBSERVATION_SPACE
    assert module.action_space.shape == action_space("continuous" if recipe is ppo else "levels").shape


@pytest.mark.parametrize("recipe", [ppo, dqn], ids=["ppo", "dqn"])
def test_an_untrained_policy_is_the_closed_loop(recipe: ModuleType, local_ray: None) -> None:
    algorithm = recipe.build_config(small(seed=3)).build_algo()
    try:
        chosen = recipe.export(algorithm).multipliers(OBSERVATIONS)
    finally:
        algorithm.stop()
    assert np.abs(np.log(chosen)).mean() < (0.01 if recipe is ppo else 0.1)  # of 0.69 either way


@pytest.mark.parametrize("recipe", [ppo, dqn], ids=["ppo", "dqn"])
def test_same_seed_same_policy(recipe: ModuleType, local_ray: None) -> None:
    def outputs(seed: int) -> Any:
        algorithm = recipe.build_config(small(seed)).build_algo()
        try:
            algorithm.train()
            return recipe.export(algorithm).forward(OBSERVATIONS)
        finally:
            algorithm.stop()

    first = outputs(5)
    assert np.array_equal(first, outputs(5))
    assert not np.array_equal(first, outputs(6))
