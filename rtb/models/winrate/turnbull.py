"""A nonparametric price distribution: a mass per bin of log price, from known and censored prices.

Floors and habits of competitors put atoms into prices, which no smooth curve has; they show where exchanges report the
minimum to win. The fitted log-logistic counts as a few more prices, so that the two agree where there is no evidence.

Source: Turnbull, "The Empirical Distribution Function with Arbitrarily Grouped, Censored and Truncated Data" (JRSS B,
1976).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rtb.models.winrate.evidence import CENTRES, STEP, PriceEvidence
from rtb.models.winrate.loglogistic import LogLogistic

Floats = npt.NDArray[np.float64]

PRIOR = 50.0
"""Weight of the log-logistic in known prices."""

_ROUNDS = 20  # of expectation and maximisation, which starts near the optimum
_TINY = 1e-12

PRICES: Floats = np.exp(CENTRES + 0.5 * STEP)
"""Upper edge of each bin, micros: a bid that wins all of it."""


def masses(counts: npt.NDArray[np.floating[Any]], prior: LogLogistic) -> Floats:
    """Return P(price in bin), shape `(n, bins)`, from evidence, shape `(n, verdicts, bins)`, and its prior fit."""
    counts = counts.astype(np.float64)
    edges = prior.chance(CENTRES + 0.5 * STEP)
    expected = np.diff(edges, axis=1, prepend=0.0)
    expected[:, -1] += 1.0 - edges[:, -1]
    certain = counts[:, PriceEvidence.KNOWN] + PRIOR * expected
    won, lost = counts[:, PriceEvidence.WON], counts[:, PriceEvidence.LOST]
    mass: Floats = expected
    for _ in range(_ROUNDS):
        below = np.cumsum(mass, axis=1)
        above = np.maximum(1.0 - below, _TINY)
        # A bid won at bin i spreads over the bins up to i, one lost over those after it, each as its mass is.
        share = np.cumsum((won / np.maximum(below, _TINY))[:, ::-1], axis=1)[:, ::-1]
        share[:, 1:] += np.cumsum(lost / above, axis=1)[:, :-1]
        mass = certain + mass * share
        mass = mass / mass.sum(axis=1, keepdims=True)
    return mass


def shade(values: Floats, mass: Floats) -> Floats:
    """Return bids that maximise (value - bid) x P(win), shape `(k,)`, for values in micros and one campaign's masses.

    Bids are upper edges of bins. Where no bin lies below a value, the bid is the value.
    """
    chance = np.cumsum(mass)
    best = np.argmax((values[:, None] - PRICES) * chance, axis=1)
    bids: Floats = np.minimum(PRICES[best], values)
    return bids
