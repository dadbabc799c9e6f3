"""The closed-loop pacer: it solves for the bid level that spends the budget, and corrects its forecast by actual spend.

One class for benchmarks, training and serving: `e` campaigns side by side, stepped any number of auctions at a time. A
learned policy multiplies its level; 1.0 is this pacer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.pacing.landscape import Landscape

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MEMORY = 200.0
"""Half-life of observations, in auctions."""

QUICK, SLOW = 0.3, 5.0
"""Other memories shown to policies, in multiples of the loop's own."""

PRIOR = 50.0
"""Prior weight of the forecast, in auctions' worth of budget."""

_MOST = float(np.exp(3.0))  # bound of the correction: a forecast twenty times off has no information


class ClosedLoop:
    """Closed loops for `e` campaigns: levels of linear bids that spend each budget evenly over the auctions to come.

    The level is where the landscape expects (budget left / auctions left) / correction to be spent per auction, and the
    correction is actual over forecast spend at the levels that were bid, both exponential sums. Where the market takes
    twice what the past predicts, the correction goes to 2 and the level down until spend fits again.

    Args:
        landscape: landscape of each campaign's market, from the past.
        spend_per_auction: even spend per auction of each, shape `(e,)`; the scale of the prior.
        memory: half-life of observations in auctions, of all or of each; 0: the forecast is never corrected
            (`adaptive`).
        prior: auctions' worth of even spend added to both sums, so that a few auctions do not move the correction.
    """

    def __init__(
        self,
        landscape: Landscape,
        spend_per_auction: Floats,
        *,
        memory: float | Floats = MEMORY,
        prior: float = PRIOR,
    ) -> None:
        self.landscape = landscape
        self._memories = memory * np.array([1.0, QUICK, SLOW])[:, None]
        self._corrects = bool(np.all(np.asarray(memory) > 0))
        self._prior = np.maximum(prior * spend_per_auction, 1e-9)
        self._seen = np.zeros((3, len(landscape)))
        self._forecast = np.zeros((3, len(landscape)))

    def correction(self) -> Floats:
        """Return recent actual over forecast spend, shape `(e,)`; 1.0 before any observation."""
        own: Floats = self.corrections()[0]
        return own

    def corrections(self) -> Floats:
        """Return the correction by the loop's own memory, by a quicker and by a slower one, shape `(3, e)`."""
        ratio = (self._seen + self._prior) / (self._forecast + self._prior)
        corrections: Floats = np.clip(ratio, 1.0 / _MOST, _MOST)
        return corrections

    def level(self, left: Floats, auctions_left: Floats) -> Floats:
        """Return the money per unit of pCTR to bid now, shape `(e,)`.

        Args:
            left: budget left, shape `(e,)`.
            auctions_left: auctions expected until the budget's end, shape `(e,)`.
        """
        even = np.maximum(left, 0.0) / np.maximum(auctions_left, 1.0)
        return self.landscape.scale(even / self.correction())

    def learn(self, level: Floats, spent: Floats, auctions: Floats) -> None:
        """Learn from the outcome of a step.

        Args:
            level: actual bid per unit of pCTR, a policy's multiplier included, shape `(e,)`.
            spent: spend of the step, shape `(e,)`.
            auctions: auctions of the step, shape `(e,)`.
        """
        if not self._corrects:
            return
        keep = 0.5 ** (auctions / self._memories)
        self._seen = keep * self._seen + spent
        self._forecast = keep * self._forecast + auctions * self.landscape.spend(level)

    def remember(self, old: ClosedLoop, rows: npt.NDArray[np.intp]) -> None:
        """Take over the observations of another loop: `rows` are the campaigns' indices there, -1 for a new one."""
        known = rows >= 0
        self._seen[:, known], self._forecast[:, known] = old._seen[:, rows[known]], old._forecast[:, rows[known]]

    def forget(self, which: Bools) -> None:
        """Reset some campaigns, given as a mask of shape `(e,)`."""
        self._seen = np.where(which, 0.0, self._seen)
        self._forecast = np.where(which, 0.0, self._forecast)
