"""Paced bidders: `adaptive`, `closed`, and a learned policy on top of it, all of one arithmetic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb import pacing
from rtb.market.auction_log import EPISODE, MAX_PRICE, Task
from rtb.market.auctions import Kind
from rtb.market.clearing import Cleared
from rtb.market.closed import MEMORY, ClosedLoop
from rtb.market.landscape import Landscape
from rtb.market.linear import linear_bids
from rtb.market.recent import Recent
from rtb.policy import Policy

Floats = npt.NDArray[np.float64]

STEP = 10
"""Auctions between two levels of the closed loop: at 1, 5 and 10 it wins the same within 0.1 points."""

DECISION = 25
"""Auctions between two decisions of a policy: 40 an episode of the published protocol."""


class Paced:
    """The closed loop as a bidder.

    Args:
        landscape: one campaign's.
        budget: of an episode.
        auctions: in an episode.
        step: auctions between two levels.
        memory: of the closed loop; 0 never corrects the forecast.
    """

    def __init__(
        self, landscape: Landscape, budget: float, auctions: int, *, step: int = STEP, memory: float = MEMORY
    ) -> None:
        self.step = step
        self.remembers = memory > 0
        self._landscape, self._memory = landscape, memory
        self._budget, self._auctions = float(budget), auctions

    def begin(self, lanes: int) -> None:
        """See `Bidder`."""
        landscape = self._landscape.take(np.zeros(lanes, np.intp))
        self._loop = ClosedLoop(landscape, np.full(lanes, self._budget / self._auctions), memory=self._memory)
        self._level = np.zeros(lanes)

    def bids(self, pctr: Floats, left: Floats, auctions_left: int) -> Floats:
        """See `Bidder`."""
        base = self._loop.level(left, np.full(len(left), float(auctions_left)))
        self._level = base * self._multiplier(left, auctions_left)
        return linear_bids(pctr, self._level)

    def learn(self, pctr: Floats, cleared: Cleared) -> None:
        """See `Bidder`."""
        auctions = np.full(len(pctr), float(pctr.shape[1]))
        self._loop.learn(self._level, cleared.paid.sum(axis=1), auctions)

    def _multiplier(self, left: Floats, auctions_left: int) -> Floats:
        return np.ones(len(left))


class PolicyBidder(Paced):
    """A learned policy on top of the closed loop: every `step` auctions a multiplier of its level.

    Args:
        landscape: one campaign's.
        budget: of an episode.
        auctions: in an episode.
        policy: observation to multiplier.
        usual_pctr: mean pCTR of the past.
        usual_price: mean market price of the past.
        step: auctions between two decisions.
    """

    def __init__(
        self,
        landscape: Landscape,
        budget: float,
        auctions: int,
        policy: Policy,
        *,
        usual_pctr: float,
        usual_price: float,
        step: int = DECISION,
    ) -> None:
        super().__init__(landscape, budget, auctions, step=step)
        self._policy, self._usual_pctr, self._usual_price = policy, usual_pctr, usual_price

    def begin(self, lanes: int) -> None:
        """See `Bidder`."""
        super().begin(lanes)
        ones = np.ones(lanes)
        self._recent = Recent(ones * self._usual_pctr, ones * self._usual_price, ones * self.step)

    def learn(self, pctr: Floats, cleared: Cleared) -> None:
        """See `Bidder`."""
        super().learn(pctr, cleared)
        self._recent.add(cleared.won, cleared.paid, pctr)

    def _multiplier(self, left: Floats, auctions_left: int) -> Floats:
        return self._policy.multipliers(self.observe(left, auctions_left))

    def observe(self, left: Floats, auctions_left: int) -> npt.NDArray[np.float32]:
        """What the policy sees, shape `(e, OBSERVATION_SIZE)`; time is counted in steps."""
        lanes = np.ones(len(left))
        return pacing.observe(
            self._recent.state(
                budget_total=lanes * self._budget,
                budget_left=left,
                time_total=lanes * (self._auctions / self.step),
                time_left=lanes * (auctions_left / self.step),
            )
        )


def landscape_of(task: Task, kind: Kind = "second") -> Landscape:
    """What the auctions before say of the market."""
    return Landscape.of(task.before.pctr, task.before.price, kind, MAX_PRICE)


def adaptive(task: Task, share: float, landscape: Landscape) -> Paced:
    """Linear with the level solved anew at each auction, so that expected spend meets the budget left."""
    return Paced(landscape, task.budget(share), task.episode, step=_step(task, 1), memory=0.0)


def closed(task: Task, share: float, landscape: Landscape) -> Paced:
    """`adaptive` with its forecast corrected by what was spent."""
    return Paced(landscape, task.budget(share), task.episode, step=_step(task, STEP))


def learned(task: Task, share: float, landscape: Landscape, policy: Policy, *, step: int = DECISION) -> PolicyBidder:
    """A policy on top of `closed`."""
    pctr, price = float(task.before.pctr.mean()), float(task.before.price.mean())
    return PolicyBidder(
        landscape, task.budget(share), task.episode, policy, usual_pctr=pctr, usual_price=price, step=step
    )


def _step(task: Task, step: int) -> int:
    """Steps of a long stream may be longer: one auction is a smaller part of it."""
    return step if task.episode <= EPISODE else max(step, STEP)
