"""The pacing environment: its conventions, its worlds side by side, and that it is the learning world it says it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_configs.env import CAUTION, LEVELS, REWARD_CLIP, VectorPacingEnv, make_env, multipliers
from rtb.models import policy
from rtb.models.observation import MULTIPLIER_HIGH, MULTIPLIER_LOW
from simulation.library import Library
from simulation.replayed import ReplayedCore
from simulation.worlds import COUNTED, DAILY, to_learn_from
from tests.support import examples

CONFIG = {"data": "", "world_seed": 3, "markets": 3, "num_envs": 5}


@pytest.fixture(scope="module")
def worlds() -> Mapping[str, Library]:
    return to_learn_from(None, 3, markets=3)


@pytest.mark.parametrize("actions", ["continuous", "levels"])
def test_observations_and_actions_are_of_their_spaces(actions: Any, worlds: Mapping[str, Library]) -> None:
    env = VectorPacingEnv(5, worlds, actions)
    env.action_space.seed(1)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert env.observation_space.contains(env.reset(seed=1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            assert env.observation_space.contains(observation)
            assert reward.shape == terminated.shape == truncated.shape == (5,)
            assert not truncated.any()


def test_the_middle_action_is_the_closed_loop() -> None:
    assert multipliers("continuous", np.array([[0.0], [-1.0], [1.0], [7.0]])).tolist() == [1.0, 0.5, 2.0, 2.0]
    assert multipliers("levels", np.arange(LEVELS)).tolist() == policy.multiplier_levels(LEVELS).tolist()
    assert multipliers("levels", np.array([LEVELS // 2])).tolist() == [1.0]
    for actions, middle in (("continuous", np.zeros((5, 1))), ("levels", np.full(5, LEVELS // 2))):
        env = make_env({**CONFIG, "actions": actions})
        env.reset(seed=2)
        assert not any(env.step(middle)[1].any() for _ in range(60))


def test_each_world_begins_again_by_itself(worlds: Mapping[str, Library]) -> None:
    """Episodes by count end after 50 decisions, flights after as many as the busiest of them has."""
    env = VectorPacingEnv(4, worlds)
    env.reset(seed=5)
    ends: dict[str, list[int]] = {COUNTED: [], DAILY: []}
    for step in range(1, 160):
        _, reward, done, _, _ = env.step(np.full((4, 1), 0.3))
        assert done[0] == done[1]
        assert done[2] == done[3]
        for world, lane in ((COUNTED, 0), (DAILY, 2)):
            if ends[world] and step == ends[world][-1] + 1:
                assert not reward[lane : lane + 2].any()  # the step that only begins the next episode
            if done[lane]:
                ends[world].append(step)
    assert ends[COUNTED] == [50, 101, 152]
    assert len(ends[DAILY]) >= 1
    assert ends[DAILY][0] != 50


def test_the_seed_decides_all(worlds: Mapping[str, Library]) -> None:
    def played(seed: int | list[int | None]) -> Any:
        env = VectorPacingEnv(5, worlds, "levels")
        first = env.reset(seed=seed)[0]
        return np.concatenate([first.ravel(), *(env.step(np.arange(5))[1] for _ in range(60))])

    assert np.array_equal(played(1), played(1))
    assert np.array_equal(played(1), played([1, 2, 3, 4, 5]))
    assert not np.array_equal(played(1), played(2))


def test_it_pays_what_the_learning_world_pays(worlds: Mapping[str, Library]) -> None:
    """The same library, seed and multipliers, in the environment and in the core alone."""
    alone = {COUNTED: worlds[COUNTED]}
    env, core = VectorPacingEnv(6, alone, "levels"), ReplayedCore()
    seen = env.reset(seed=9)[0]
    rng, _ = gym.utils.seeding.np_random(9)
    assert np.array_equal(seen, core.start(alone[COUNTED].sample(rng, 6)))
    levels = np.array([8, 9, 10, 11, 12, 13])
    while not core.done:
        expected, paid = core.step(policy.multiplier_levels(LEVELS)[levels])
        observation, reward, done, _, _ = env.step(levels)
        assert np.array_equal(observation, expected)
        cautious = CAUTION * np.log2(policy.multiplier_levels(LEVELS)[levels]) ** 2
        np.testing.assert_allclose(reward, np.clip(paid, -REWARD_CLIP, REWARD_CLIP) - cautious)
        assert done.all() == core.done


@settings(max_examples=examples(10))
@given(seed=st.integers(0, 2**31 - 1), action=st.floats(-3.0, 3.0))
def test_whatever_is_done_observations_stay_in_range_and_rewards_finite(seed: int, action: float) -> None:
    most_cautious = CAUTION * max(np.log2([MULTIPLIER_LOW, MULTIPLIER_HIGH]) ** 2)
    env = make_env(CONFIG)
    env.reset(seed=seed)
    for _ in range(80):
        observation, reward, _, _, _ = env.step(np.full((5, 1), action))
        assert np.isfinite(reward).all()
        assert (np.abs(reward) <= REWARD_CLIP + most_cautious).all()
        assert (np.abs(observation) <= 3.0).all()


def test_fewer_campaigns_than_worlds_are_refused(worlds: Mapping[str, Library]) -> None:
    with pytest.raises(ValueError, match="2 worlds"):
        VectorPacingEnv(1, worlds)
