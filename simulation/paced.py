"""Paced bidders: `adaptive`, `closed`, and a learned policy on top, with shared arithmetic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.models.observation import observe
from rtb.models.policy import Policy
from rtb.pacing.closed_loop import MEMORY
from rtb.pacing.landscape import Kind, Landscape
from rtb.pacing.loops import DECISIONS, STEP, PacingLoops
from rtb.pacing.moment import Moment
from rtb.pacing.past import Past
from rtb.pacing.profile import DailyProfile
from rtb.pacing.recent import Brought
from simulation.auction_log import EPISODE, MAX_PRICE, Task
from simulation.clearing import Cleared
from simulation.linear import linear_bids

Floats = npt.NDArray[np.float64]


class PacedBidder:
    """The closed loop as a bidder.

    Args:
        task: the campaign.
        share: budget as a share of what an episode's auctions cost on average.
        landscape: landscape of the campaign's market.
        step: auctions between two levels.
        memory: memory of the closed loop; 0 never corrects the forecast.
    """

    def __init__(
        self, task: Task, share: float, landscape: Landscape, *, step: int = STEP, memory: float = MEMORY
    ) -> None:
        self.step = step
        self.remembers = memory > 0
        self._budget, self._auctions, self._memory = float(task.budget(share)), float(task.episode), memory
        self._past = past_of(task, share, landscape)

    def begin(self, loops: int) -> None:
        """See `Bidder`."""
        every = np.ones(loops)
        past = self._past.take(np.zeros(loops, np.intp))
        self._loops = PacingLoops(past, every * self._budget, every * self._auctions, memory=self._memory)

    def bids(self, pctr: Floats, left: Floats, when: Moment) -> Floats:
        """See `Bidder`."""
        self._level = self._loops.level(left, when) * self._multiplier(left, when)
        return linear_bids(pctr, self._level)

    def learn(self, pctr: Floats, cleared: Cleared) -> None:
        """See `Bidder`."""
        self._loops.learn(self._level, brought(pctr, cleared))

    def _multiplier(self, left: Floats, when: Moment) -> Floats:
        return np.ones(len(left))


class PolicyBidder(PacedBidder):
    """A learned policy on top of the closed loop: every `decision` auctions it multiplies the level.

    Args:
        task: the campaign.
        share: budget as a share of what an episode's auctions cost on average.
        landscape: landscape of the campaign's market.
        policy: function from observation to multiplier.
        decision: auctions between two decisions; the closed loop sets the levels in between. 0: fifty decisions per
            episode, as in training: in a long episode, twenty auctions are no reason to change a bid.
    """

    def __init__(self, task: Task, share: float, landscape: Landscape, policy: Policy, *, decision: int = 0) -> None:
        decision = decision or max(STEP, task.episode // DECISIONS)
        super().__init__(task, share, landscape, step=int(np.gcd(STEP, decision)))
        self._policy, self._every = policy, decision // self.step

    def begin(self, loops: int) -> None:
        """See `Bidder`."""
        super().begin(loops)
        self._steps = 0

    def _multiplier(self, left: Floats, when: Moment) -> Floats:
        if self._steps % self._every == 0:
            self._chosen = self._policy.multipliers(observe(self._loops.decide(left, when)))
        self._steps += 1
        return self._chosen


def brought(pctr: Floats, cleared: Cleared) -> Brought:
    """Sum up some auctions, shape `(e, k)`; auctions without value are padding and do not count."""
    auctions = (pctr > 0.0).sum(axis=1).astype(np.float64)
    return Brought(
        auctions=auctions,
        bids=auctions,
        won=cleared.won.sum(axis=1).astype(np.float64),
        pctr=pctr.sum(axis=1),
        paid=cleared.paid.sum(axis=1),
        squares=(cleared.paid**2).sum(axis=1),
    )


def landscape_of(task: Task, kind: Kind = "second") -> Landscape:
    """Return what the earlier auctions tell about the market."""
    return Landscape.of(task.before.pctr, task.before.price, kind, MAX_PRICE)


def past_of(task: Task, share: float, landscape: Landscape) -> Past:
    """Return what the earlier auctions tell, at the level that spends this budget evenly."""
    before, even = task.before, task.budget(share) / task.episode
    level = float(landscape.scale(np.array([even]))[0])
    return Past(
        landscape,
        DailyProfile.of(before.pctr, before.price, before.hour, landscape, level),
        np.array([before.pctr.mean()]),
        np.array([before.price.mean()]),
    )


def adaptive(task: Task, share: float, landscape: Landscape) -> PacedBidder:
    """Build a linear bidder whose level is solved at each auction, so that expected spend meets the budget left."""
    # In a long stream one auction is a small part of the rest, so solving at every tenth is as good.
    return PacedBidder(task, share, landscape, step=1 if task.episode <= EPISODE else STEP, memory=0.0)


def closed(task: Task, share: float, landscape: Landscape) -> PacedBidder:
    """Build `adaptive` with its forecast corrected by actual spend."""
    return PacedBidder(task, share, landscape)


def learned(task: Task, share: float, landscape: Landscape, policy: Policy, *, decision: int = 0) -> PacedBidder:
    """Build a policy on top of `closed`."""
    return PolicyBidder(task, share, landscape, policy, decision=decision)
