"""Campaigns paced side by side under a policy's multipliers: the arithmetic that bidders and training share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb import pacing
from rtb.market.clearing import Cleared
from rtb.market.closed import MEMORY, ClosedLoop
from rtb.market.landscape import Landscape
from rtb.market.linear import linear_bids
from rtb.market.recent import Recent

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEP = 10
"""Auctions between two levels of the closed loop: at 1, 5 and 10 it wins the same within half a point."""

DECISION = 20
"""Auctions between two decisions of a policy: 50 an episode of the published protocol."""


class Lanes:
    """`e` closed loops and what each has seen lately.

    Args:
        landscape: of each campaign.
        budget: of an episode, shape `(e,)`.
        auctions: in an episode.
        usual_pctr: mean pCTR of the past, shape `(e,)`.
        usual_price: mean market price of the past, shape `(e,)`.
        decision: auctions between two decisions, the unit of time in observations.
        memory: of the closed loops; 0 never corrects the forecast.
    """

    def __init__(
        self,
        landscape: Landscape,
        budget: Floats,
        auctions: int,
        *,
        usual_pctr: Floats,
        usual_price: Floats,
        decision: int = DECISION,
        memory: float = MEMORY,
    ) -> None:
        self.loop = ClosedLoop(landscape, budget / auctions, memory=memory)
        self._recent = Recent(usual_pctr, usual_price, np.full(len(budget), float(decision)))
        self._budget, self._auctions, self._decision = budget, auctions, decision
        self._level = np.zeros(len(budget))

    def observe(self, left: Floats, auctions_left: int) -> npt.NDArray[np.float32]:
        """What a policy sees before a decision, shape `(e, OBSERVATION_SIZE)`; a new span of "recent" begins."""
        every = np.ones(len(left))
        state = self._recent.state(
            budget_total=self._budget,
            budget_left=left,
            time_total=every * (self._auctions / self._decision),
            time_left=every * (auctions_left / self._decision),
        )
        self._recent.age()
        return pacing.observe(state)

    def bids(self, pctr: Floats, left: Floats, auctions_left: int, multiplier: Floats) -> Floats:
        """Bids of the next auctions, shape `(e, k)`, at `multiplier` times the closed loop's level, shape `(e,)`."""
        level = self.loop.level(left, np.full(len(left), float(auctions_left)))
        self._level = level * multiplier
        return linear_bids(pctr, self._level)

    def forget(self, which: Bools) -> None:
        """Let some loops begin anew, a mask of shape `(e,)`."""
        self.loop.forget(which)

    def learn(self, pctr: Floats, cleared: Cleared) -> None:
        """See what came of the bids."""
        self.loop.learn(self._level, cleared.paid.sum(axis=1), np.full(len(pctr), float(pctr.shape[1])))
        self._recent.add(cleared.won, cleared.paid, pctr)
