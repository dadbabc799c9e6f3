"""What a bidder of the yardstick is: pCTRs and money left in, bids out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from rtb.pacing.moment import Moment
from simulation.clearing import Cleared

Floats = npt.NDArray[np.float64]


class Bidder(Protocol):
    """Bids in `e` episodes side by side, `step` auctions at a time.

    Attributes:
        step: auctions between two looks at the money left; the bids of one step are made together.
        remembers: whether what it saw in one episode serves it in the next; such a bidder plays them in order.
    """

    step: int
    remembers: bool

    def begin(self, lanes: int) -> None:
        """Forget everything seen; `lanes` episodes are played side by side from now on."""

    def bids(self, pctr: Floats, left: Floats, when: Moment) -> Floats:
        """Whole bids of the next auctions, shape `(e, k)`.

        Args:
            pctr: predicted click rates, shape `(e, k)`.
            left: what is left of each budget, shape `(e,)`.
            when: before the first of them; until the budget is filled again, the `k` included.
        """

    def learn(self, pctr: Floats, cleared: Cleared) -> None:
        """See what came of the last bids: wins and what they cost, never the price of an auction lost."""


class Blind:
    """A bidder that learns nothing while it bids: the base of most classics."""

    step = 1
    remembers = False

    def begin(self, lanes: int) -> None:
        """Nothing to forget."""

    def learn(self, pctr: Floats, cleared: Cleared) -> None:
        """Nothing to remember."""
