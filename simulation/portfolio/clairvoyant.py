"""Upper bound on what sharing out each round's money could earn: a linear programme over the true curves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array

from simulation.portfolio.market import PortfolioMarket

Floats = npt.NDArray[np.float64]


class NoOptimum(RuntimeError):
    """An error when the solver found no optimum; the message is the solver's."""


def optimum(market: PortfolioMarket) -> Floats:
    """Return the expected value of each round's best allocation, micros, shape `(t,)`.

    A variable is the money on one straight piece of a campaign's curve in a round; pieces fill in order by themselves,
    as the curves are concave. Rounds are independent: money left unspent is not carried over.

    Raises:
        NoOptimum: the solver failed.
    """
    unit = (market.volume * market.price)[:, :, None]  # (t, n, 1)
    length = np.diff(market.spend)[None] * unit
    value = np.diff(market.chance)[None] * (market.volume * market.worth())[:, :, None]
    slope = np.where(length > 0.0, value / np.where(length > 0.0, length, 1.0), 0.0)
    scale = market.budget
    pieces = length.reshape(market.rounds, -1)
    turns = np.repeat(np.arange(market.rounds), pieces.shape[1])
    spent = csr_array((np.ones(pieces.size), (turns, np.arange(pieces.size))))
    found = linprog(
        -slope.ravel(),
        A_ub=spent,
        b_ub=np.ones(market.rounds),
        bounds=np.column_stack([np.zeros(pieces.size), pieces.ravel() / scale]),
        method="highs",
    )
    if found.status != 0:
        raise NoOptimum(f"the optimum of a market was not found: {found.message}")
    best: Floats = scale * (slope * found.x.reshape(slope.shape)).sum(axis=(1, 2))
    return best
