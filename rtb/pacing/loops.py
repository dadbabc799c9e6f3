"""Campaigns paced side by side: the arithmetic shared by benchmark bidders, training and serving."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.models.observation import PacingState
from rtb.pacing.closed_loop import MEMORY, ClosedLoop
from rtb.pacing.moment import Moment
from rtb.pacing.past import Past
from rtb.pacing.recent import Brought, Recent

Floats = npt.NDArray[np.float64]

STEP = 10
"""Auctions between two updates of the closed loop: at 1, 5 and 10 results agree within half a point."""

DECISION = 20
"""Auctions between two decisions of a policy in training, with episodes of a thousand auctions."""

DECISIONS = 50
"""Decisions per episode of the published protocol."""


class PacingLoops:
    """The closed loops of `e` campaigns with their recent observations.

    Args:
        past: past of each campaign.
        budget: budget of an episode or flight, shape `(e,)`.
        auctions: usual number of auctions in one, shape `(e,)`.
        memory: half-life of the closed loops in auctions, of all or of each; 0 never corrects the forecast.
    """

    def __init__(self, past: Past, budget: Floats, auctions: Floats, *, memory: float | Floats = MEMORY) -> None:
        self.loop = ClosedLoop(past.landscape, budget / auctions, memory=memory)
        self._past, self._budget = past, budget
        self._recent = Recent(past.pctr, past.price)

    def level(self, left: Floats, when: Moment) -> Floats:
        """Return the closed loop's level, money per unit of pCTR, shape `(e,)`."""
        return self.loop.level(left, when.auctions_left)

    def decide(self, left: Floats, when: Moment) -> PacingState:
        """Return the state for a policy's decision, and begin a new step of recent observations."""
        seen, scale = self._recent.seen(), self._past.landscape.scale
        even = np.maximum(left, 0.0) / np.maximum(when.auctions_left, 1.0)
        own, quick, slow = self.loop.corrections()
        like_now = np.maximum(self._past.profile.same_as_now(when), 1.0)
        self._recent.age()
        return PacingState(
            budget_total=self._budget,
            budget_left=left,
            time_total=np.ones(len(left)),
            time_left=when.time_left,
            recent_win_rate=seen.win_rate,
            recent_pctr=seen.pctr,
            usual_pctr=self._past.pctr,
            recent_price=seen.price,
            recent_price_std=seen.price_std,
            usual_price=self._past.price,
            opportunities_left=when.auctions_left,
            level=scale(even / own),
            level_forecast=scale(even),
            level_quick=scale(even / quick),
            level_slow=scale(even / slow),
            level_ahead=scale(np.maximum(left, 0.0) / like_now / own),
        )

    def learn(self, level: Floats, brought: Brought) -> None:
        """Learn from the outcome of bids at a level, a policy's multiplier included, shape `(e,)`."""
        self.loop.learn(level, brought.paid, brought.auctions)
        self._recent.add(brought)

    def remember(self, old: PacingLoops, rows: npt.NDArray[np.intp]) -> None:
        """Take over the observations of other loops: `rows` are the campaigns' indices there, -1 for a new one."""
        self.loop.remember(old.loop, rows)
        self._recent.remember(old._recent, rows)

    def forget(self, which: npt.NDArray[np.bool_]) -> None:
        """Reset some loops, given as a mask of shape `(e,)`."""
        self.loop.forget(which)
