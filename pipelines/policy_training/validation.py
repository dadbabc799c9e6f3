"""Validation of a policy while it learns: on the same episodes every time, none of them trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtb.models.policy import Policy, neutral
from rtb.pacing.loops import DECISION
from simulation.library import Episodes
from simulation.replayed import ReplayedCore
from simulation.worlds import to_judge_by

BUDGETS = {"1/32": 1 / 32, "1/16": 1 / 16, "1/8": 1 / 8, "1/4": 1 / 4, "1/2": 1 / 2}

EPISODES = 160
"""Episodes of each world at each budget."""

_LOSS = 10.0

Gains = dict[str, dict[str, float]]
"""Gain in value over the closed loop, in percent, by world and budget."""


@dataclass(frozen=True)
class Yardstick:
    """A set of validation episodes by world and budget.

    Attributes:
        episodes: episodes to play.
        decision: auctions between two decisions.
    """

    episodes: Mapping[str, Mapping[str, Episodes]]
    decision: int = DECISION

    @classmethod
    def of(
        cls, data: str, *, seed: int = 0, markets: int = 30, count: int = EPISODES, decision: int = DECISION
    ) -> Yardstick:
        """Draw the episodes: as many of each world at each budget.

        Args:
            data: folder of logged auctions; empty: simulated ones only.
            seed: seed of the simulated markets and the draw; not the training's, so that all are judged alike.
            markets: simulated campaigns of each kind.
            count: episodes of each world at each budget.
            decision: auctions between two decisions.

        Raises:
            LogError: the folder is not in the format that `read_task` reads.
        """
        rng = np.random.default_rng([seed, 41])
        worlds = to_judge_by(Path(data) if data else None, seed, markets=markets)
        drawn = {
            world: {label: library.sample(rng, count, (share, share)) for label, share in BUDGETS.items()}
            for world, library in worlds.items()
        }
        return cls(drawn, decision)

    def gains(self, policy: Policy) -> Gains:
        """Return the policy's gains over the closed loop."""
        return {
            world: {label: self._gain(policy, episodes) for label, episodes in by_budget.items()}
            for world, by_budget in self.episodes.items()
        }

    def play_one_part(self) -> int:
        """Play the first of the parts that a validation consists of, to see how long it takes.

        Returns:
            How many parts there are, each of one world at one budget.
        """
        parts = [episodes for by_budget in self.episodes.values() for episodes in by_budget.values()]
        self._gain(neutral(), parts[0])
        return len(parts)

    def _gain(self, policy: Policy, episodes: Episodes) -> float:
        core = ReplayedCore(self.decision)
        core.play(episodes, policy)
        ours, closed = (float(value) for value in core.value.sum(axis=1))
        return round(100.0 * (ours / closed - 1.0), 3)


def score(gains: Gains) -> float:
    """Return one number to choose by: the mean gain, minus ten times the largest loss, if there is one.

    A policy that wins much in one world and loses a little in another is no replacement for the closed loop.
    """
    each = [gain for by_budget in gains.values() for gain in by_budget.values()]
    return round(float(np.mean(each)) + _LOSS * min(0.0, *each), 3)
