"""Paced bidders: `adaptive`, `closed`, and a learned policy on top of it, all of one arithmetic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.market.auction_log import EPISODE, MAX_PRICE, Task
from rtb.market.auctions import Kind
from rtb.market.clearing import Cleared
from rtb.market.closed import MEMORY
from rtb.market.landscape import Landscape
from rtb.market.lanes import DECISION, STEP, Lanes
from rtb.policy import Policy

Floats = npt.NDArray[np.float64]


class Paced:
    """The closed loop as a bidder.

    Args:
        task: the campaign.
        share: budget as a share of what an episode's auctions cost on average.
        landscape: the campaign's.
        step: auctions between two levels.
        memory: of the closed loop; 0 never corrects the forecast.
    """

    def __init__(
        self, task: Task, share: float, landscape: Landscape, *, step: int = STEP, memory: float = MEMORY
    ) -> None:
        self.step = step
        self.remembers = memory > 0
        self._task, self._share, self._landscape, self._memory = task, share, landscape, memory
        self._decision = step

    def begin(self, lanes: int) -> None:
        """See `Bidder`."""
        every = np.ones(lanes)
        self._lanes = Lanes(
            self._landscape.take(np.zeros(lanes, np.intp)),
            every * self._task.budget(self._share),
            self._task.episode,
            usual_pctr=every * float(self._task.before.pctr.mean()),
            usual_price=every * float(self._task.before.price.mean()),
            decision=self._decision,
            memory=self._memory,
        )

    def bids(self, pctr: Floats, left: Floats, auctions_left: int) -> Floats:
        """See `Bidder`."""
        return self._lanes.bids(pctr, left, auctions_left, self._multiplier(left, auctions_left))

    def learn(self, pctr: Floats, cleared: Cleared) -> None:
        """See `Bidder`."""
        self._lanes.learn(pctr, cleared)

    def _multiplier(self, left: Floats, auctions_left: int) -> Floats:
        return np.ones(len(left))


class PolicyBidder(Paced):
    """A learned policy on top of the closed loop: every `decision` auctions a multiplier of its levels.

    Args:
        task: the campaign.
        share: budget as a share of what an episode's auctions cost on average.
        landscape: the campaign's.
        policy: observation to multiplier.
        decision: auctions between two decisions; levels in between follow the closed loop.
    """

    def __init__(
        self, task: Task, share: float, landscape: Landscape, policy: Policy, *, decision: int = DECISION
    ) -> None:
        super().__init__(task, share, landscape, step=int(np.gcd(STEP, decision)))
        self._policy, self._decision = policy, decision

    def begin(self, lanes: int) -> None:
        """See `Bidder`."""
        super().begin(lanes)
        self._chosen = np.ones(lanes)

    def _multiplier(self, left: Floats, auctions_left: int) -> Floats:
        if (self._task.episode - auctions_left) % self._decision == 0:
            self._chosen = self._policy.multipliers(self._lanes.observe(left, auctions_left))
        return self._chosen


def landscape_of(task: Task, kind: Kind = "second") -> Landscape:
    """What the auctions before say of the market."""
    return Landscape.of(task.before.pctr, task.before.price, kind, MAX_PRICE)


def adaptive(task: Task, share: float, landscape: Landscape) -> Paced:
    """Linear with the level solved anew at each auction, so that expected spend meets the budget left."""
    # In a long stream one auction is a small part of the rest, and ten are as good.
    return Paced(task, share, landscape, step=1 if task.episode <= EPISODE else STEP, memory=0.0)


def closed(task: Task, share: float, landscape: Landscape) -> Paced:
    """`adaptive` with its forecast corrected by what was spent."""
    return Paced(task, share, landscape)


def learned(task: Task, share: float, landscape: Landscape, policy: Policy, *, decision: int = DECISION) -> Paced:
    """A policy on top of `closed`."""
    return PolicyBidder(task, share, landscape, policy, decision=decision)
