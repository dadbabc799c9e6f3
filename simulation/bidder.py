"""The interface of backtest bidders: pCTRs and money left go in, bids come out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from rtb.pacing.moment import Moment
from simulation.clearing import Cleared

Floats = npt.NDArray[np.float64]


class Bidder(Protocol):
    """A bidder in `e` episodes side by side, `step` auctions at a time.

    Attributes:
        step: auctions between two looks at the money left; the bids of one step are made together.
        remembers: whether it learns across episodes; such a bidder plays them in order.
    """

    step: int
    remembers: bool

    def begin(self, lanes: int) -> None:
        """Reset all state; `lanes` episodes are played side by side from now on."""

    def bids(self, pctr: Floats, left: Floats, when: Moment) -> Floats:
        """Return integer bids in the next auctions, shape `(e, k)`.

        Args:
            pctr: predicted click rates, shape `(e, k)`.
            left: money left of each budget, shape `(e,)`.
            when: the moment before the first of them; what it says is left includes the `k`.
        """

    def learn(self, pctr: Floats, cleared: Cleared) -> None:
        """Observe the outcome of the last bids: wins and their cost, never the price of a lost auction."""


class StaticBidder:
    """A bidder that learns nothing while it bids: the base of most classic bidders."""

    step = 1
    remembers = False

    def begin(self, lanes: int) -> None:
        """Do nothing: there is nothing to reset."""

    def learn(self, pctr: Floats, cleared: Cleared) -> None:
        """Do nothing: there is nothing to remember."""
