"""Budget pacing as a Gymnasium environment: choose the multiplier of the next few hundred bids, watch the money.

`PacingCore` steps any number of campaigns at once in numpy; `PacingEnv` (one episode) and `VectorPacingEnv` (many,
for RLlib's `gym_env_vectorize_mode="vector_entry_point"`) are views of it. The observation is `rtb.pacing.observe`, the
function that serving calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rtb import pacing, policy
from rtb.market.episodes import Episodes, Shape, sample_episodes
from rtb.market.optimum import hindsight

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

Actions = Literal["continuous", "levels"]

LEVELS = 20
"""Multipliers a discrete policy chooses from."""

PACING_WEIGHT = 0.5
"""Weight of the pacing bonus, in steps' worth of the best attainable surplus."""

_KEEP = float(np.exp(-1.0))  # "recent" is an exponential average with the memory of one pacing interval


@dataclass(frozen=True)
class Step:
    """What one pacing interval brought to each of `e` campaigns; every field has shape `(e,)`.

    Attributes:
        reward: see `PacingCore`.
        value_micros: worth of the impressions won.
        cost_micros: what they cost.
        won: how many there were.
    """

    reward: Floats
    value_micros: Floats
    cost_micros: Ints
    won: Ints


class PacingCore:
    """`e` campaigns spending their budgets side by side in second-price auctions.

    In each step a campaign bids pCTR x value per click x multiplier in up to `shape.auctions` auctions, wins where
    that reaches the price to beat, and pays that price, until the first win its budget cannot pay: there it
    stops for the rest of the step.

    The reward of a step is (value won - cost) / scale + bonus. The scale is fixed per episode: the most surplus
    hindsight could have bought, divided by the number of steps. So a whole episode's (value - cost) / scale
    lies below the number of steps, whatever the campaign's prices, and one step's around 1. The bonus is
    potential-based (Ng, Harada, Russell 1999), with the potential -|spent fraction - elapsed fraction| and 0 at
    the end: it tells early which way the pace is wrong, adds up to 0 over an episode and so leaves the best
    policy the best.

    Attributes:
        shape: size of the episodes.
        episodes: the worlds being played.
        done: whether they have ended.
    """

    episodes: Episodes

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.done = True

    def start(self, seeds: list[int]) -> Singles:
        """Begin one episode a seed; first observations, shape `(e, OBSERVATION_SIZE)`."""
        self.episodes = sample_episodes(seeds, self.shape)
        self._value = self.episodes.pctr * self.episodes.value_per_click_micros.astype(np.float32)[:, None, None]
        self._budget_left = self.episodes.budget_micros.copy()
        self._scale = self._best_surplus() / self.shape.steps
        self._recent = _Recent(self.episodes)
        self._potential = np.zeros(len(seeds))
        self._step = 0
        self.done = False
        return self._observe()

    def step(self, multipliers: Floats) -> tuple[Singles, Step]:
        """Bid for one pacing interval with these multipliers, shape `(e,)`; next observations and what came of it."""
        value, price = self._value[:, self._step], self.episodes.price_micros[:, self._step]
        bought = self._buy(value * multipliers.astype(np.float32)[:, None], price)
        cost = np.where(bought, price, 0)
        self._recent.add(bought, cost, self.episodes.pctr[:, self._step], self.episodes.opportunities[:, self._step])
        result = self._settle(np.where(bought, value, 0.0).sum(axis=1, dtype=np.float64), cost, bought)
        return self._observe(), result

    def _buy(self, worth: Singles, price: Ints) -> Bools:
        """Which auctions are won and paid for, shape `(e, k)`."""
        bids = worth.astype(np.int64)  # whole micros, rounded down as in serving: never bid more than meant
        won = bids >= price
        return won & (np.cumsum(np.where(won, price, 0), axis=1) <= self._budget_left[:, None])

    def _settle(self, value: Floats, cost: Ints, bought: Bools) -> Step:
        spent = cost.sum(axis=1)
        self._budget_left -= spent
        self._step += 1
        self.done = self._step == self.shape.steps
        before, self._potential = self._potential, self._pace_potential()
        reward = (value - spent) / self._scale + PACING_WEIGHT * (self._potential - before)
        return Step(reward, value, spent, bought.sum(axis=1))

    def _pace_potential(self) -> Floats:
        if self.done:
            return np.zeros(len(self.episodes))
        spent = 1.0 - self._budget_left / self.episodes.budget_micros
        potential: Floats = -np.abs(spent - self._step / self.shape.steps) * self.shape.steps
        return potential

    def _best_surplus(self) -> Floats:
        count = len(self.episodes)
        prices = self.episodes.price_micros.reshape(count, -1)
        value, cost = hindsight(self._value.reshape(count, -1), prices, self.episodes.budget_micros, least_ratio=1.0)
        # At the least one impression's price: an episode with nothing worth buying must not divide by 0.
        surplus: Floats = np.maximum(value - cost, self.episodes.usual_price_micros)
        return surplus

    def _observe(self) -> Singles:
        count, recent = len(self.episodes), self._recent
        price, price_std = recent.price()
        return pacing.observe(
            pacing.PacingState(
                budget_total=self.episodes.budget_micros.astype(np.float64),
                budget_left=self._budget_left.astype(np.float64),
                time_total=np.full(count, float(self.shape.steps)),
                time_left=np.full(count, float(self.shape.steps - self._step)),
                recent_win_rate=recent.won / np.maximum(recent.opportunities, 1e-9),
                recent_pctr=recent.mean_pctr(),
                usual_pctr=self.episodes.usual_pctr,
                recent_price=price,
                recent_price_std=price_std,
                usual_price=self.episodes.usual_price_micros,
                recent_opportunities=recent.rate(),
            )
        )


class _Recent:
    """Exponential averages of what a campaign has seen; until it has seen anything, what it expects.

    Sums over the past in which each step weighs `_KEEP` times its successor; averages are their quotients. The
    clearing price is that of the wins; a campaign without any knows no other price than the usual.
    """

    def __init__(self, episodes: Episodes) -> None:
        zeros = np.zeros(len(episodes))
        self.opportunities, self.won, self._pctr, self._price, self._square, self._weight = (zeros for _ in range(6))
        self._expected = episodes

    def add(self, bought: Bools, cost: Ints, pctr: Singles, opportunities: Ints) -> None:
        """Take in one step: wins and costs, shape `(e, k)`, pCTR `(e, k)`, number of auctions `(e,)`."""
        paid = cost.astype(np.float64)
        self.opportunities = _KEEP * self.opportunities + opportunities
        self.won = _KEEP * self.won + bought.sum(axis=1)
        self._pctr = _KEEP * self._pctr + pctr.sum(axis=1, dtype=np.float64)
        self._price = _KEEP * self._price + paid.sum(axis=1)
        self._square = _KEEP * self._square + (paid**2).sum(axis=1)
        self._weight = _KEEP * self._weight + 1.0

    def mean_pctr(self) -> Floats:
        """Mean pCTR of the auctions seen, shape `(e,)`."""
        seen = self.opportunities > 0.0
        return np.where(seen, self._pctr / np.where(seen, self.opportunities, 1.0), self._expected.usual_pctr)

    def price(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the clearing prices paid, each of shape `(e,)`."""
        known = self.won > 1e-6
        won = np.where(known, self.won, 1.0)
        mean = np.where(known, self._price / won, self._expected.usual_price_micros)
        variance = np.where(known, self._square / won - mean**2, 0.0)
        return mean, np.sqrt(np.maximum(variance, 0.0))

    def rate(self) -> Floats:
        """Auctions a step, shape `(e,)`."""
        started = self._weight > 0.0
        return np.where(
            started, self.opportunities / np.where(started, self._weight, 1.0), self._expected.usual_opportunities
        )


OBSERVATION_SPACE = gym.spaces.Box(-3.0, 3.0, (pacing.OBSERVATION_SIZE,), np.float32)


def action_space(actions: Actions) -> gym.Space[Any]:
    """The multiplier itself, or the index of one of `LEVELS` multipliers."""
    if actions == "levels":
        return gym.spaces.Discrete(LEVELS)
    return gym.spaces.Box(pacing.MULTIPLIER_LOW, pacing.MULTIPLIER_HIGH, (1,), np.float32)


def multipliers(actions: Actions, chosen: npt.ArrayLike) -> Floats:
    """Multipliers, shape `(e,)`, from a batch of actions of that space."""
    if actions == "levels":
        return policy.multiplier_levels(LEVELS)[np.asarray(chosen, np.int64).reshape(-1)]
    values = np.asarray(chosen, np.float64).reshape(-1)
    return np.clip(values, pacing.MULTIPLIER_LOW, pacing.MULTIPLIER_HIGH)


class PacingEnv(gym.Env[Singles, Any]):
    """One campaign's flight.

    Args:
        actions: `continuous` (a Box) or `levels` (Discrete).
        steps: pacing decisions in an episode.
        auctions: most auctions between two of them.
        reward_scale: factor on every reward, for algorithms that learn small returns faster.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self, actions: Actions = "continuous", steps: int = 40, auctions: int = 250, reward_scale: float = 1.0
    ) -> None:
        self._actions = actions
        self._reward_scale = reward_scale
        self._core = PacingCore(Shape(steps, auctions))
        self.observation_space = OBSERVATION_SPACE
        self.action_space = action_space(actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Singles, dict[str, Any]]:
        """Begin an episode; with the same seed the same ones follow each other."""
        super().reset(seed=seed)
        return self._core.start([_next_seed(self.np_random)])[0], {}

    def step(self, action: Any) -> tuple[Singles, float, bool, bool, dict[str, Any]]:
        """Bid for one pacing interval. The end of the flight is a true end: the observation shows it coming."""
        observation, result = self._core.step(multipliers(self._actions, action))
        info = {"value_micros": float(result.value_micros[0]), "cost_micros": int(result.cost_micros[0])}
        return observation[0], float(result.reward[0]) * self._reward_scale, self._core.done, False, info


class VectorPacingEnv(VectorEnv[Singles, Any, Any]):
    """Many campaigns' flights in step, autoreset in the step after the last one, as RLlib expects.

    All episodes have the same number of steps, so they end and begin together. Environment i, reset with
    seed s, plays what `PacingEnv` plays when reset with seed s + i.

    Args:
        num_envs: how many.
        actions: `continuous` (a Box) or `levels` (Discrete).
        steps: pacing decisions in an episode.
        auctions: most auctions between two of them.
        reward_scale: factor on every reward, for algorithms that learn small returns faster.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int,
        actions: Actions = "continuous",
        steps: int = 40,
        auctions: int = 250,
        reward_scale: float = 1.0,
    ) -> None:
        self.num_envs = num_envs
        self._actions = actions
        self._reward_scale = reward_scale
        self._core = PacingCore(Shape(steps, auctions))
        self._generators: list[np.random.Generator] = []
        self.single_observation_space = OBSERVATION_SPACE
        self.single_action_space = action_space(actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Singles, dict[str, Any]]:
        """Begin all episodes; `seed` is the first environment's, or a list of one each."""
        if seed is not None or not self._generators:
            self._generators = [gym.utils.seeding.np_random(one)[0] for one in self._spread(seed)]
        return self._begin(), {}

    def step(self, actions: Any) -> tuple[Singles, Floats, Bools, Bools, dict[str, Any]]:
        """Bid for one pacing interval; after an end, begin the next episodes instead and ignore the actions."""
        no = np.zeros(self.num_envs, np.bool_)
        if self._core.done:
            return self._begin(), np.zeros(self.num_envs), no, no, {}
        observation, result = self._core.step(multipliers(self._actions, actions))
        return observation, result.reward * self._reward_scale, np.full(self.num_envs, self._core.done), no, {}

    def _spread(self, seed: int | list[int | None] | None) -> list[int | None]:
        """One seed for each environment, as Gymnasium's own vector environments number them."""
        if isinstance(seed, list):
            return seed
        return [None if seed is None else seed + i for i in range(self.num_envs)]

    def _begin(self) -> Singles:
        return self._core.start([_next_seed(generator) for generator in self._generators])


def make_env(context: Mapping[str, Any]) -> PacingEnv | VectorPacingEnv:
    """What RLlib calls to make an environment: a vector one when it says how many."""
    keywords = {name: context[name] for name in ("actions", "steps", "auctions", "reward_scale") if name in context}
    if "num_envs" in context:
        return VectorPacingEnv(context["num_envs"], **keywords)
    return PacingEnv(**keywords)


def _next_seed(generator: np.random.Generator) -> int:
    return int(generator.integers(2**63))
