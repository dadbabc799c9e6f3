"""The pacing environment: its money, its reward, and that its two faces are one."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_configs.env import LEVELS, PacingCore, PacingEnv, VectorPacingEnv, make_env, multipliers
from rllib_configs.evaluation import evaluate
from rtb import pacing, policy
from rtb.market.episodes import UNWINNABLE, Shape, sample_episodes

SMALL = {"steps": 6, "auctions": 40}
SHAPE = Shape(6, 40)


@pytest.mark.parametrize("actions", ["continuous", "levels"])
def test_gymnasium_accepts_it(actions: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(symmetric and normalized|spec).*")
        check_env(PacingEnv(actions, **SMALL))


@pytest.mark.parametrize("actions", ["continuous", "levels"])
def test_vector_and_single_walk_the_same_way(actions: Any) -> None:
    """Over three episodes, so that autoreset is part of it."""
    vector = VectorPacingEnv(3, actions, **SMALL)
    singles = [PacingEnv(actions, **SMALL) for _ in range(3)]
    vector.action_space.seed(1)
    seen = vector.reset(seed=11)[0]
    assert np.array_equal(seen, [env.reset(seed=11 + i)[0] for i, env in enumerate(singles)])
    ended = False
    for _ in range(20):
        chosen = vector.action_space.sample()
        observation, reward, terminated, truncated, _ = vector.step(chosen)
        if ended:
            expected = [(env.reset()[0], 0.0, False, False) for env in singles]
        else:
            expected = [env.step(action)[:4] for env, action in zip(singles, chosen, strict=True)]
        for i, (obs, gain, end, cut) in enumerate(expected):
            assert np.array_equal(observation[i], obs)
            assert (reward[i], terminated[i], truncated[i]) == (gain, end, cut)
        ended = bool(terminated[0])


def test_vector_env_keeps_gymnasiums_conventions() -> None:
    env = make_env({"num_envs": 4, "actions": "levels", **SMALL})
    assert isinstance(env, VectorPacingEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    observation, _ = env.reset(seed=[5, 6, 7, 8])
    assert env.observation_space.contains(observation)
    assert np.array_equal(observation, VectorPacingEnv(4, "levels", **SMALL).reset(seed=5)[0])
    assert not np.array_equal(observation[0], observation[1])
    assert isinstance(make_env(SMALL), PacingEnv)


def test_unseeded_environments_differ() -> None:
    one, other = VectorPacingEnv(2, **SMALL).reset()[0], VectorPacingEnv(2, **SMALL).reset()[0]
    assert not np.array_equal(one, other)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), data=st.data())
def test_never_overspends_nor_pays_above_its_bid(seed: int, data: st.DataObject) -> None:
    core = PacingCore(SHAPE)
    core.start([seed, seed + 1])
    spent = np.zeros(2, np.int64)
    for step in range(SHAPE.steps):
        multiplier = np.array(data.draw(st.tuples(*[st.floats(0.1, 2.0)] * 2)))
        worth = core.episodes.pctr[:, step] * core.episodes.value_per_click_micros[:, None]
        observation, result = core.step(multiplier)
        spent += result.cost_micros
        assert (result.cost_micros >= 0).all()
        assert (result.cost_micros <= result.value_micros * multiplier * (1 + 1e-5)).all()
        assert (result.value_micros <= worth.sum(axis=1) * (1 + 1e-5)).all()
        assert (result.won <= core.episodes.opportunities[:, step]).all()
        assert (np.abs(observation) <= 3).all()
        assert np.isfinite(result.reward).all()
    assert core.done
    assert (spent <= core.episodes.budget_micros).all()


def test_one_step_against_plain_python() -> None:
    """The vectorised auction against the same rules written one by one."""
    core = PacingCore(SHAPE)
    core.start(list(range(20)))
    stopped = 0
    left = core.episodes.budget_micros.tolist()
    for step in range(SHAPE.steps):
        _, result = core.step(np.full(20, 1.7))
        for e in range(20):
            cost = won = 0
            worth = core.episodes.pctr[e, step] * np.float32(core.episodes.value_per_click_micros[e])
            for value, price in zip(worth, core.episodes.price_micros[e, step].tolist(), strict=True):
                if int(value * np.float32(1.7)) < price:
                    continue
                if cost + price > left[e]:
                    stopped += 1
                    break
                cost, won = cost + price, won + 1
            assert (result.cost_micros[e], result.won[e]) == (cost, won)
            left[e] -= cost
    assert stopped  # the budget's edge was met


def test_rewards_add_up_to_surplus_over_its_best() -> None:
    """The pacing bonus vanishes over an episode, and foresight is the bound."""
    core = PacingCore(SHAPE)
    core.start(list(range(50)))
    rng = np.random.default_rng(0)
    reward, surplus = np.zeros(50), np.zeros(50)
    bonus_seen = False
    while not core.done:
        _, result = core.step(rng.uniform(0.1, 2.0, 50))
        reward += result.reward
        surplus += result.value_micros - result.cost_micros
        bonus_seen |= not np.allclose(reward * core._scale, surplus)
    assert bonus_seen
    assert np.allclose(reward * core._scale, surplus)
    assert (reward <= SHAPE.steps + 1e-6).all()


def test_observation_is_the_one_of_serving() -> None:
    """Its first values follow from the budget and the clock; what is not yet known is at its neutral value."""
    core = PacingCore(SHAPE)
    first = dict(zip(pacing.OBSERVATION, core.start([1])[0].tolist(), strict=True))
    assert (first["budget_left"], first["time_left"], first["overspend"]) == (1.0, 1.0, 0.0)
    assert (first["win_rate"], first["pctr_ratio"], first["price_ratio"], first["price_spread"]) == (0, 0, 0, 0)
    observation, result = core.step(np.array([2.0]))
    second = dict(zip(pacing.OBSERVATION, observation[0].tolist(), strict=True))
    left = 1.0 - result.cost_micros[0] / core.episodes.budget_micros[0]
    assert second["budget_left"] == pytest.approx(left, rel=1e-5)
    assert second["time_left"] == pytest.approx(5 / 6, rel=1e-5)
    assert second["win_rate"] == pytest.approx(result.won[0] / core.episodes.opportunities[0, 0], rel=1e-5)
    price = result.cost_micros[0] / result.won[0] / core.episodes.usual_price_micros[0]
    assert second["price_ratio"] == pytest.approx(np.log(price), rel=1e-4)
    per_auction = (core.episodes.budget_micros[0] - result.cost_micros[0]) / (5 * core.episodes.opportunities[0, 0])
    expected = np.clip(np.log(per_auction / core.episodes.usual_price_micros[0]), -3, 3)
    assert second["affordability"] == pytest.approx(expected, rel=1e-4)


def test_recent_averages_forget() -> None:
    """After one step of winning and several of hardly any, the recent win rate has all but gone."""
    core = PacingCore(Shape(12, 60))
    core.start([3])
    core.step(np.array([2.0]))
    rates = [core.step(np.array([0.0]))[0][0][pacing.OBSERVATION.index("win_rate")] for _ in range(10)]
    assert all(later < earlier for earlier, later in pairwise(rates))
    assert rates[-1] < 0.01 * rates[0]


def test_quiet_steps_have_no_phantom_auctions() -> None:
    episodes = sample_episodes(range(50), SHAPE)
    assert (episodes.price_micros == UNWINNABLE).any()
    core = PacingCore(SHAPE)
    core.start(list(range(50)))
    core._budget_left[:] = 2**60  # even with all the money in the world
    _, result = core.step(np.full(50, 2.0))
    assert (result.won <= core.episodes.opportunities[:, 0]).all()
    assert (result.cost_micros < UNWINNABLE).all()


def test_actions_are_multipliers() -> None:
    assert np.array_equal(multipliers("levels", np.arange(LEVELS)), policy.multiplier_levels(LEVELS))
    assert multipliers("continuous", np.array([[0.5], [9.0]], np.float32)).tolist() == [0.5, 2.0]
    assert isinstance(PacingEnv("levels").action_space, gym.spaces.Discrete)
    assert PacingEnv().action_space.contains(np.array([2.0], np.float32))


def test_evaluation_is_repeatable_and_bounded() -> None:
    seeds = tuple(range(64))
    one = evaluate(policy.neutral(), seeds, SHAPE)
    assert np.array_equal(one.reward, evaluate(policy.neutral(), seeds, SHAPE).reward)
    assert ((one.value_share > 0) & (one.value_share <= 1 + 1e-9)).all()
    assert ((one.spent_share > 0) & (one.spent_share <= 1)).all()
    assert (one.reward <= SHAPE.steps + 1e-6).all()


def test_bidding_less_than_neutral_pays_when_budgets_are_tight() -> None:
    """There is something to learn: shading all bids already beats bidding the full value."""
    weight = np.zeros((1, pacing.OBSERVATION_SIZE), np.float32)
    half = policy.Policy(((weight, np.array([-0.579], np.float32)),), "tanh", "continuous", np.empty(0), "half")
    seeds = tuple(range(256))
    assert evaluate(half, seeds).reward.mean() > evaluate(policy.neutral(), seeds).reward.mean() + 3
