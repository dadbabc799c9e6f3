"""Many logged episodes paced at once, a policy's and the closed loop's side by side: a policy's training world.

Every campaign runs twice in the same auctions: once under the policy's multipliers and once under 1.0. The policy's
reward is its gain over its twin, so the luck of an episode, which is most of its value, cancels out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.models import observation
from rtb.models.policy import Policy
from rtb.pacing.landscape import Kind
from rtb.pacing.loops import DECISION, STEP, PacingLoops
from simulation.clearing import clear
from simulation.library import Episodes
from simulation.linear import linear_bids
from simulation.optimum import hindsight, shadow_level
from simulation.paced import brought

Floats = npt.NDArray[np.float64]


class ReplayedCore:
    """A batch of `e` campaigns with a decision every `decision` auctions.

    The reward of a decision is its gain over the twin, in units of (the most value that hindsight could have bought /
    decisions of the episode). Over an episode that adds up to the gain in share of hindsight times the decisions. A
    potential-based term (Ng, Harada, Russell 1999) credits each decision at once: money left is valued at the shadow
    price that hindsight would have paid per value, and at nothing once the episode is over.

    Args:
        decision: auctions between two decisions; the closed loop solves its level again every `STEP` of them.
        kind: kind of auction.

    Attributes:
        done: whether the episodes have ended.
        value: value won so far by the policies, then by their twins, shape `(2, e)`.
        best: most value that each episode's budget could have bought, shape `(e,)`.
    """

    def __init__(self, decision: int = DECISION, kind: Kind = "second") -> None:
        self.done = True
        self._decision, self._kind = decision, kind
        self._step = int(np.gcd(STEP, decision))

    def start(self, episodes: Episodes) -> npt.NDArray[np.float32]:
        """Start these episodes; return the first observations, shape `(e, OBSERVATION_SIZE)`."""
        self._episodes, self._now, self.done = episodes, 0, False
        count = len(episodes.budget)
        twice = np.tile(np.arange(count), 2)
        self._price, self._pctr = episodes.price[twice], episodes.pctr[twice]
        self._clock = episodes.clock.take(twice)
        self._left = episodes.budget[twice].astype(np.float64)
        self._loops = PacingLoops(episodes.past.take(twice), self._left, episodes.auctions[twice])
        self._warm(episodes, twice)
        self.value = np.zeros((2, count))
        price = np.where(np.isfinite(episodes.price), np.maximum(episodes.price, 1e-6), 1e12)
        self.best = np.maximum(hindsight(episodes.pctr, price, episodes.budget)[0], 1e-12)
        self._money = 1.0 / np.maximum(shadow_level(episodes.pctr, price, episodes.budget), 1e-9)
        self._potential = np.zeros(count)
        return self._observe()

    def step(self, multipliers: Floats) -> tuple[npt.NDArray[np.float32], Floats]:
        """Bid in the next `decision` auctions with these multipliers; return observations and rewards, shape `(e,)`."""
        length = self._price.shape[1]
        both = np.concatenate([multipliers, np.ones(len(multipliers))])
        before = self.value.copy()
        stop = min(self._now + self._decision, length)
        for start in range(self._now, stop, self._step):
            self.value += self._hold(start, min(start + self._step, stop), both).reshape(2, -1)
        self._now, self.done = stop, stop == length
        gain = self.value - before
        potential = np.zeros(len(multipliers)) if self.done else self._money_apart()
        reward = (gain[0] - gain[1] + potential - self._potential) / (self.best * self._decision / length)
        self._potential = potential
        return self._observe(), reward

    def play(self, episodes: Episodes, policy: Policy) -> None:
        """Let a policy decide from the beginning of these episodes to their end."""
        observation = self.start(episodes)
        while not self.done:
            observation, _ = self.step(policy.multipliers(observation))

    def _hold(self, start: int, stop: int, multiplier: Floats) -> Floats:
        """Bid in some auctions and return the value won, shape `(2 e,)`."""
        pctr, price = self._pctr[:, start:stop], self._price[:, start:stop]
        level = self._loops.level(self._left, self._clock.at(start)) * multiplier
        cleared = clear(linear_bids(pctr, level), price, self._left, self._kind)
        self._loops.learn(level, brought(pctr, cleared))
        self._left = self._left - cleared.paid.sum(axis=1)
        value: Floats = (pctr * cleared.won).sum(axis=1)
        return value

    def _money_apart(self) -> Floats:
        """Return how much more money the policies have left than their twins, at hindsight's price, shape `(e,)`."""
        left = self._left.reshape(2, -1)
        apart: Floats = (left[0] - left[1]) * self._money
        return apart

    def _warm(self, episodes: Episodes, twice: npt.NDArray[np.intp]) -> None:
        """Run the loops that are not cold through the previous episode, under a multiplier of 1.0."""
        cold = episodes.cold[twice]
        if cold.all():
            return
        filled = self._left, self._price, self._pctr
        self._price, self._pctr = episodes.price_before[twice], episodes.pctr_before[twice]
        for start in range(0, self._price.shape[1], self._step):
            self._hold(start, start + self._step, np.ones(len(cold)))
        self._left, self._price, self._pctr = filled
        self._loops.forget(cold)

    def _observe(self) -> npt.NDArray[np.float32]:
        seen = observation.observe(self._loops.decide(self._left, self._clock.at(self._now)))
        return seen[: len(self._episodes.budget)]
