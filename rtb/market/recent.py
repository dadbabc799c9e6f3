"""What a paced campaign has seen lately, step by step, and the pacing state it makes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.pacing import PacingState

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_KEEP = float(np.exp(-1.0))  # the memory of one step, as in the pacing environment and in the Pacemaker


class Recent:
    """Exponential averages of `e` campaigns; until one has seen anything, what it expects.

    Args:
        usual_pctr: mean pCTR of the past, shape `(e,)`.
        usual_price: mean price of the past, shape `(e,)`.
        usual_auctions: auctions a step, shape `(e,)`.
    """

    def __init__(self, usual_pctr: Floats, usual_price: Floats, usual_auctions: Floats) -> None:
        self._usual_pctr, self._usual_price, self._usual_auctions = usual_pctr, usual_price, usual_auctions
        zeros = np.zeros(len(usual_pctr))
        self._auctions, self._won, self._pctr, self._paid, self._squares, self._steps = (zeros for _ in range(6))

    def age(self) -> None:
        """A new step begins: what was seen before it weighs less."""
        self._auctions, self._won, self._pctr = _KEEP * self._auctions, _KEEP * self._won, _KEEP * self._pctr
        self._paid, self._squares = _KEEP * self._paid, _KEEP * self._squares
        self._steps = _KEEP * self._steps + 1.0

    def add(self, won: Bools, paid: Floats, pctr: Floats) -> None:
        """Take in some auctions of the step: every argument of shape `(e, k)`."""
        self._auctions = self._auctions + pctr.shape[1]
        self._won = self._won + won.sum(axis=1)
        self._pctr = self._pctr + pctr.sum(axis=1)
        self._paid = self._paid + paid.sum(axis=1)
        self._squares = self._squares + (paid**2).sum(axis=1)

    def state(self, *, budget_total: Floats, budget_left: Floats, time_total: Floats, time_left: Floats) -> PacingState:
        """The state that `rtb.pacing.observe` turns into an observation; every argument of shape `(e,)`."""
        seen, winner = self._auctions > 0.0, self._won > 1e-6
        auctions, won = np.where(seen, self._auctions, 1.0), np.where(winner, self._won, 1.0)
        price = np.where(winner, self._paid / won, self._usual_price)
        variance = np.where(winner, self._squares / won - price**2, 0.0)
        return PacingState(
            budget_total=budget_total,
            budget_left=budget_left,
            time_total=time_total,
            time_left=time_left,
            recent_win_rate=np.where(seen, self._won / auctions, 0.0),
            recent_pctr=np.where(seen, self._pctr / auctions, self._usual_pctr),
            usual_pctr=self._usual_pctr,
            recent_price=price,
            recent_price_std=np.sqrt(np.maximum(variance, 0.0)),
            usual_price=self._usual_price,
            recent_opportunities=np.where(seen, self._auctions / np.maximum(self._steps, 1.0), self._usual_auctions),
        )
