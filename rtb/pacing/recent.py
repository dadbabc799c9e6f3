"""Recent observations of paced campaigns, step by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_KEEP = float(np.exp(-1.0))  # the memory of one step, as in the pacing environment and in the Pacemaker


class Brought(NamedTuple):
    """The outcome of some auctions for `e` campaigns, as sums of shape `(e,)`.

    Attributes:
        auctions: number of auctions.
        bids: number of bids.
        won: number of wins.
        pctr: sum of pCTR over all auctions.
        paid: sum of prices paid.
        squares: sum of squares of prices paid.
    """

    auctions: Floats
    bids: Floats
    won: Floats
    pctr: Floats
    paid: Floats
    squares: Floats


class Recent:
    """Exponential averages of `e` campaigns, with the usual values before any observation.

    Args:
        usual_pctr: mean pCTR of the past, shape `(e,)`.
        usual_price: mean price of the past, shape `(e,)`.
    """

    def __init__(self, usual_pctr: Floats, usual_price: Floats) -> None:
        self.usual_pctr, self.usual_price = usual_pctr, usual_price
        self._sums = np.zeros((len(Brought._fields), len(usual_pctr)))

    def age(self) -> None:
        """Begin a new step: earlier observations weigh less."""
        self._sums = _KEEP * self._sums

    def add(self, brought: Brought) -> None:
        """Add the outcome of auctions of the step."""
        self._sums = self._sums + np.stack(brought)

    def remember(self, old: Recent, rows: npt.NDArray[np.intp]) -> None:
        """Take over the averages of another one: `rows` are the campaigns' indices there, -1 for a new one."""
        known = rows >= 0
        self._sums[:, known] = old._sums[:, rows[known]]

    def seen(self) -> RecentAverages:
        """Return the current averages."""
        now = Brought(*self._sums)
        some, winner = now.auctions > 1e-6, now.won > 1e-6
        won = np.where(winner, now.won, 1.0)
        price = np.where(winner, now.paid / won, self.usual_price)
        variance = np.where(winner, now.squares / won - price**2, 0.0)
        return RecentAverages(
            win_rate=np.minimum(now.won / np.maximum(now.bids, 1e-6), 1.0),
            pctr=np.where(some, now.pctr / np.where(some, now.auctions, 1.0), self.usual_pctr),
            price=price,
            price_std=np.sqrt(np.maximum(variance, 0.0)),
        )


class RecentAverages(NamedTuple):
    """Recent averages of `e` campaigns, shape `(e,)` each: wins per bid, pCTR, and clearing price with its spread."""

    win_rate: Floats
    pctr: Floats
    price: Floats
    price_std: Floats
