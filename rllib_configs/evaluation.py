"""How good a policy is: the same held-out episodes for every policy, so that luck cancels out of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rllib_configs.env import Floats, PacingCore
from rtb.market.episodes import Shape
from rtb.market.optimum import hindsight
from rtb.policy import Policy

HELD_OUT = tuple(range(1_000_000_000, 1_000_000_512))
"""Seeds of the episodes that judge policies. Training draws its seeds from 2**63, so it does not meet them."""


@dataclass(frozen=True)
class Evaluation:
    """Results by episode, each of shape `(e,)`.

    Attributes:
        reward: return of the episode; the number of its steps would be perfect foresight.
        value_share: value won over the most that hindsight buys with the same budget.
        spent_share: spend over budget.
    """

    reward: Floats
    value_share: Floats
    spent_share: Floats


def evaluate(policy: Policy, seeds: tuple[int, ...] = HELD_OUT, shape: Shape | None = None) -> Evaluation:
    """Play the episodes of these seeds with a policy, without exploration."""
    core = PacingCore(shape or Shape())
    observation = core.start(list(seeds))
    reward, value, cost = np.zeros(len(seeds)), np.zeros(len(seeds)), np.zeros(len(seeds))
    while not core.done:
        observation, step = core.step(policy.multipliers(observation))
        reward += step.reward
        value += step.value_micros
        cost += step.cost_micros
    return Evaluation(reward, value / _most_value(core), cost / core.episodes.budget_micros)


def _most_value(core: PacingCore) -> Floats:
    episodes = core.episodes
    worth = episodes.pctr * episodes.value_per_click_micros[:, None, None]
    count = len(episodes)
    value, _ = hindsight(worth.reshape(count, -1), episodes.price_micros.reshape(count, -1), episodes.budget_micros)
    most: Floats = np.maximum(value, 1.0)
    return most
