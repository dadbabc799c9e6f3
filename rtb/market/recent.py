"""What a paced campaign has seen lately, step by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


Floats = npt.NDArray[np.float64]

_KEEP = float(np.exp(-1.0))  # the memory of one step, as in the pacing environment and in the Pacemaker


class Recent:
    """Exponential averages of `e` campaigns; until one has seen anything, what it expects.

    Args:
        usual_pctr: mean pCTR of the past, shape `(e,)`.
        usual_price: mean price of the past, shape `(e,)`.
    """

    def __init__(self, usual_pctr: Floats, usual_price: Floats) -> None:
        self.usual_pctr, self.usual_price = usual_pctr, usual_price
        zeros = np.zeros(len(usual_pctr))
        self._auctions, self._won, self._pctr, self._paid, self._squares = (zeros for _ in range(5))

    def age(self) -> None:
        """A new step begins: what was seen before it weighs less."""
        self._auctions, self._won, self._pctr = _KEEP * self._auctions, _KEEP * self._won, _KEEP * self._pctr
        self._paid, self._squares = _KEEP * self._paid, _KEEP * self._squares

    def add(self, auctions: Floats, won: Floats, pctr: Floats, paid: Floats, squares: Floats) -> None:
        """Take in some auctions of the step, as sums of shape `(e,)`: of pCTR over all, of prices over those won."""
        self._auctions, self._won, self._pctr = self._auctions + auctions, self._won + won, self._pctr + pctr
        self._paid, self._squares = self._paid + paid, self._squares + squares

    def seen(self) -> Seen:
        """The averages now."""
        some, winner = self._auctions > 0.0, self._won > 1e-6
        auctions, won = np.where(some, self._auctions, 1.0), np.where(winner, self._won, 1.0)
        price = np.where(winner, self._paid / won, self.usual_price)
        variance = np.where(winner, self._squares / won - price**2, 0.0)
        return Seen(
            win_rate=np.where(some, self._won / auctions, 0.0),
            pctr=np.where(some, self._pctr / auctions, self.usual_pctr),
            price=price,
            price_std=np.sqrt(np.maximum(variance, 0.0)),
        )


class Seen(NamedTuple):
    """Recent averages of `e` campaigns, shape `(e,)` each: wins an auction, pCTR, and clearing price with its spread."""

    win_rate: Floats
    pctr: Floats
    price: Floats
    price_std: Floats
