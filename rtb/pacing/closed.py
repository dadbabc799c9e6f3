"""The closed-loop pacer: solve for the bid level that spends what is left, and correct the forecast by what was spent.

One class for the yardstick, for training and for serving: `e` campaigns side by side, stepped any number of auctions
at a time. A learned policy multiplies its level; 1.0 is this pacer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.pacing.landscape import Landscape

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MEMORY = 200.0
"""Auctions after which what was seen counts half."""

QUICK, SLOW = 0.3, 5.0
"""The other memories a policy is shown, in multiples of the loop's own."""

PRIOR = 50.0
"""Auctions' worth of budget by which the forecast is believed before anything was seen."""

_MOST = float(np.exp(3.0))  # the correction's bound: a forecast twenty times off says nothing more


class ClosedLoop:
    """Levels of linear bids for `e` campaigns, each spending its budget evenly over what is to come.

    The level is where the landscape expects (budget left / auctions left) / correction to be spent per auction, and
    the correction is spend seen over spend forecast at the levels that were bid, both exponential sums. Where the
    market takes twice what the past said, the correction goes to 2 and the level down until spend fits again.

    Args:
        landscape: what the past says of each campaign's market.
        spend_per_auction: even spend per auction of each, shape `(e,)`; the scale of the prior.
        memory: auctions after which what was seen counts half, of all or of each; 0: the forecast is never corrected
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
        """Spend seen over spend forecast lately, shape `(e,)`; 1.0 before anything was seen."""
        own: Floats = self.corrections()[0]
        return own

    def corrections(self) -> Floats:
        """The correction by the loop's own memory, by a quicker and by a slower one, shape `(3, e)`."""
        ratio = (self._seen + self._prior) / (self._forecast + self._prior)
        corrections: Floats = np.clip(ratio, 1.0 / _MOST, _MOST)
        return corrections

    def level(self, left: Floats, auctions_left: Floats) -> Floats:
        """Money per unit of pCTR to bid now, shape `(e,)`.

        Args:
            left: budget left, shape `(e,)`.
            auctions_left: expected until the budget's end, shape `(e,)`.
        """
        even = np.maximum(left, 0.0) / np.maximum(auctions_left, 1.0)
        return self.landscape.scale(even / self.correction())

    def learn(self, level: Floats, spent: Floats, auctions: Floats) -> None:
        """Take in what a step brought.

        Args:
            level: what was really bid per unit of pCTR, a policy's multiplier included, shape `(e,)`.
            spent: in the step, shape `(e,)`.
            auctions: in the step, shape `(e,)`.
        """
        if not self._corrects:
            return
        keep = 0.5 ** (auctions / self._memories)
        self._seen = keep * self._seen + spent
        self._forecast = keep * self._forecast + auctions * self.landscape.spend(level)

    def remember(self, old: ClosedLoop, rows: npt.NDArray[np.intp]) -> None:
        """Go on with what another loop saw: `rows` are each campaign's place there, -1 for a new one."""
        known = rows >= 0
        self._seen[:, known], self._forecast[:, known] = old._seen[:, rows[known]], old._forecast[:, rows[known]]

    def forget(self, which: Bools) -> None:
        """Begin anew for some campaigns, a mask of shape `(e,)`."""
        self._seen = np.where(which, 0.0, self._seen)
        self._forecast = np.where(which, 0.0, self._forecast)
