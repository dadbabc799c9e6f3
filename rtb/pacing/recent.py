"""What a paced campaign has seen lately, step by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_KEEP = float(np.exp(-1.0))  # the memory of one step, as in the pacing environment and in the Pacemaker


class Brought(NamedTuple):
    """What some auctions brought to `e` campaigns, as sums of shape `(e,)`.

    Attributes:
        auctions: how many there were.
        bids: in how many of them it bid.
        won: how many were won.
        pctr: sum over all of them.
        paid: for those won.
        squares: of what was paid for each.
    """

    auctions: Floats
    bids: Floats
    won: Floats
    pctr: Floats
    paid: Floats
    squares: Floats


class Recent:
    """Exponential averages of `e` campaigns; until one has seen anything, what it expects.

    Args:
        usual_pctr: mean pCTR of the past, shape `(e,)`.
        usual_price: mean price of the past, shape `(e,)`.
    """

    def __init__(self, usual_pctr: Floats, usual_price: Floats) -> None:
        self.usual_pctr, self.usual_price = usual_pctr, usual_price
        self._sums = np.zeros((len(Brought._fields), len(usual_pctr)))

    def age(self) -> None:
        """A new step begins: what was seen before it weighs less."""
        self._sums = _KEEP * self._sums

    def add(self, brought: Brought) -> None:
        """Take in some auctions of the step."""
        self._sums = self._sums + np.stack(brought)

    def remember(self, old: Recent, rows: npt.NDArray[np.intp]) -> None:
        """Go on with what another saw: `rows` are each campaign's place there, -1 for a new one."""
        known = rows >= 0
        self._sums[:, known] = old._sums[:, rows[known]]

    def seen(self) -> Seen:
        """The averages now."""
        now = Brought(*self._sums)
        some, winner = now.auctions > 1e-6, now.won > 1e-6
        won = np.where(winner, now.won, 1.0)
        price = np.where(winner, now.paid / won, self.usual_price)
        variance = np.where(winner, now.squares / won - price**2, 0.0)
        return Seen(
            win_rate=np.minimum(now.won / np.maximum(now.bids, 1e-6), 1.0),
            pctr=np.where(some, now.pctr / np.where(some, now.auctions, 1.0), self.usual_pctr),
            price=price,
            price_std=np.sqrt(np.maximum(variance, 0.0)),
        )


class Seen(NamedTuple):
    """Recent averages of `e` campaigns, shape `(e,)` each: wins a bid, pCTR, and clearing price with its spread."""

    win_rate: Floats
    pctr: Floats
    price: Floats
    price_std: Floats
