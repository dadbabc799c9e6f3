"""Linear bidders: a bid proportional to the predicted click rate, whatever is left of the budget."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.pacing.landscape import Kind
from rtb.pacing.moment import Moment
from simulation.auction_log import MAX_PRICE, Task, Totals
from simulation.bidder import StaticBidder
from simulation.clearing import clear
from simulation.cut import clock_of, past

Floats = npt.NDArray[np.float64]

_B0_STEP, _MOST_B0 = 6, 4 * MAX_PRICE
_PATIENCE = 5
"""Successive worse values of b0 after which the search ends, as in the code of the RLB paper."""


class Linear(StaticBidder):
    """A bidder of `floor(scale x pctr)`, at most `MAX_PRICE`.

    Args:
        scale: CPM per unit of predicted click rate.
    """

    step = 1_000_000  # bids do not depend on what is left, so an episode is one step

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def bids(self, pctr: Floats, left: Floats, when: Moment) -> Floats:
        """See `Bidder`."""
        return linear_bids(pctr, np.full(len(pctr), self.scale))


def linear_bids(pctr: Floats, scale: Floats) -> Floats:
    """Return `floor(scale x pctr)`, at most `MAX_PRICE`: pctr of shape `(e, k)`, scale of shape `(e,)`."""
    bids: Floats = np.minimum(np.floor(pctr * scale[:, None]), MAX_PRICE)
    return bids


def mcpc(totals: Totals) -> Linear:
    """Build the bidder of the training days' cost per click times the pCTR: it ignores the budget."""
    return Linear(totals.cost_train / totals.clk_train)


def lin(task: Task, share: float, kind: Kind = "second") -> Linear:
    """Build `floor(pctr x b0 / avg_ctr)` with the b0 that won most clicks in earlier episodes (Perlich et al. 2012).

    b0 is searched as for the published baseline: in steps of 6, the last of equals, until five in a row are worse.
    """
    best, most, worse = _B0_STEP, -1, 0
    for b0 in range(_B0_STEP, _MOST_B0 + 1, _B0_STEP):
        clicks = _clicks(task, Linear(b0 / task.totals.ctr), task.budget(share), kind)
        best, most, worse = (b0, clicks, 0) if clicks >= most else (best, most, worse + 1)
        if worse == _PATIENCE:
            break
    return Linear(best / task.totals.ctr)


def _clicks(task: Task, bidder: Linear, budget: int, kind: Kind) -> int:
    seen = past(task)
    left = np.full(len(seen.price), float(budget))
    won = clear(bidder.bids(seen.pctr, left, clock_of(task, seen).at(0)), seen.price, left, kind).won
    return int(seen.click[won].sum())
