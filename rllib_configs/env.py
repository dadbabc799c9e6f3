"""Budget pacing as a Gymnasium environment: choose a multiplier of the closed loop's level, decision by decision.

`VectorPacingEnv` paces many campaigns at once, in several worlds side by side, for RLlib's
`gym_env_vectorize_mode="vector_entry_point"`. The observation is `rtb.models.observation.observe`, the function that
serving calls; the auctions, the reward and the closed loop are `simulation.replayed`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rtb.models import policy
from rtb.models.observation import OBSERVATION_SIZE
from rtb.pacing.loops import DECISION
from simulation.library import Library
from simulation.replayed import ReplayedCore
from simulation.worlds import to_learn_from

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

Actions = Literal["continuous", "levels"]

LEVELS = 21
"""Number of multipliers a discrete policy chooses from; the middle one is 1.0, the closed loop itself."""

REWARD_CLIP = 20.0
"""Bound on the reward of one decision, in units of hindsight's average gain per decision."""

CAUTION = 0.03
"""Penalty for doubling or halving the closed loop's level, in units of hindsight's average gain per decision.

Near the best level the gain is almost flat, so little distinguishes a policy from one that is slightly off everywhere,
yet in another market that little costs more. The penalty keeps the policy at the loop's level where it knows no better.
"""

OBSERVATION_SPACE = gym.spaces.Box(-3.0, 3.0, (OBSERVATION_SIZE,), np.float32)


def action_space(actions: Actions) -> gym.Space[Any]:
    """Return the space of an action in [-1, 1] as `rtb.models.policy.unsquash` takes it, or of an index of `LEVELS`."""
    return gym.spaces.Discrete(LEVELS) if actions == "levels" else gym.spaces.Box(-1.0, 1.0, (1,), np.float32)


def multipliers(actions: Actions, chosen: npt.ArrayLike) -> Floats:
    """Return the multipliers of a batch of actions of that space, shape `(e,)`."""
    if actions == "levels":
        return policy.multiplier_levels(LEVELS)[np.asarray(chosen, np.int64).reshape(-1)]
    return policy.unsquash(np.asarray(chosen, np.float64).reshape(-1))


class VectorPacingEnv(VectorEnv[Singles, Any, Any]):
    """A batch of campaigns in lockstep, reset in the step after their last one, as RLlib expects.

    Campaigns are dealt to the worlds in turn, as evenly as possible. Campaigns of one world begin and end together,
    after as many decisions as its longest episode has.

    Args:
        num_envs: number of campaigns, at least one per world.
        worlds: libraries of episodes.
        actions: `continuous` (a Box) or `levels` (Discrete).
        decision: auctions between two decisions.

    Raises:
        ValueError: fewer campaigns than worlds.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self,
        num_envs: int,
        worlds: Mapping[str, Library],
        actions: Actions = "continuous",
        decision: int = DECISION,
    ) -> None:
        if num_envs < len(worlds):
            raise ValueError(f"{num_envs} campaigns cannot be in {len(worlds)} worlds: ask for more")
        self.num_envs = num_envs
        self._actions = actions
        counts = np.diff(np.linspace(0, num_envs, len(worlds) + 1).astype(np.int64)).tolist()
        self._groups = [_Group(library, n, decision) for library, n in zip(worlds.values(), counts, strict=True)]
        self._ends = np.cumsum(counts)[:-1]
        self.single_observation_space = OBSERVATION_SPACE
        self.single_action_space = action_space(actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Singles, dict[str, Any]]:
        """Restart all episodes; of a list of seeds the first one counts."""
        first = seed[0] if isinstance(seed, list) else seed
        super().reset(seed=first)
        return np.concatenate([group.begin(self.np_random)[0] for group in self._groups]), {}

    def step(self, actions: Any) -> tuple[Singles, Floats, Bools, Bools, dict[str, Any]]:
        """Bid in the next auctions; a world whose episodes have ended restarts instead and ignores its actions.

        The end of an episode is a termination, not a truncation: the observation shows it coming.
        """
        chosen = np.split(multipliers(self._actions, actions), self._ends)
        results = [group.step(one, self.np_random) for group, one in zip(self._groups, chosen, strict=True)]
        observation, reward, done = (np.concatenate(parts) for parts in zip(*results, strict=True))
        return observation, reward, done, np.zeros(self.num_envs, np.bool_), {}


class _Group:
    """The campaigns of one world."""

    def __init__(self, library: Library, count: int, decision: int) -> None:
        self._library, self._count = library, count
        self._core = ReplayedCore(decision)

    def begin(self, rng: np.random.Generator) -> tuple[Singles, Floats, Bools]:
        """Start new episodes and return their first observations, no reward and no end."""
        no = np.zeros(self._count)
        return self._core.start(self._library.sample(rng, self._count)), no, no.astype(np.bool_)

    def step(self, multiplier: Floats, rng: np.random.Generator) -> tuple[Singles, Floats, Bools]:
        """Return observations, rewards and whether the episodes have ended."""
        if self._core.done:
            return self.begin(rng)
        observation, reward = self._core.step(multiplier)
        reward = np.clip(reward, -REWARD_CLIP, REWARD_CLIP) - CAUTION * np.log2(multiplier) ** 2
        return observation, reward, np.full(self._count, self._core.done)


def make_env(context: Mapping[str, Any]) -> VectorPacingEnv:
    """Build an environment for RLlib.

    Args:
        context: configuration: `data` (a folder or empty), `world_seed` and `markets` of the worlds, and the other
            arguments of `VectorPacingEnv` by name. RLlib sets `num_envs`.
    """
    worlds = _worlds(context["data"], context["world_seed"], context["markets"])
    keywords = {name: context[name] for name in ("actions", "decision") if name in context}
    return VectorPacingEnv(context.get("num_envs") or len(worlds), worlds, **keywords)


@lru_cache(maxsize=1)
def _worlds(data: str, seed: int, markets: int) -> dict[str, Library]:
    """Return the libraries of this process, cached because RLlib makes an environment more than once."""
    return to_learn_from(Path(data) if data else None, seed, markets=markets)
