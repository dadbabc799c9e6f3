"""A log-logistic price distribution by maximum likelihood, from known and censored prices.

With x the log of a price and z = a x + c, P(price <= e^x) = s(z), s the logistic function. A won bid contributes
log s(z), a lost one log s(-z), a known price the density: log a + log s(z) + log s(-z). So a known price counts as a
win and a loss at once, and the sum is concave in (a, c): one maximum, found by Newton's method in a few steps for all
campaigns together.

Sources: Wu, Yeh, Chen, "Predicting Winning Price in Real Time Bidding with Censored Data" (KDD 2015); Pan et al., "Bid
Shading by Win-Rate Estimation and Surplus Maximization" (arXiv 2009.09259).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rtb.models.winrate.evidence import CENTRES, PriceEvidence

Floats = npt.NDArray[np.float64]

USUAL_SHAPE = 2.0
"""Prior steepness: a wide distribution."""

_SHAPE_WEIGHT = 100.0
"""Weight of the usual shape in known prices (a gamma prior with its mode there).

It is this large since higher bids meet slightly higher prices, so that from own wins and losses alone a curve looks
flatter than it is. Thousands of known prices outweigh it.
"""

_PLACE_WEIGHT = 1.0  # weight of the prior that the median lies among the bids: one known price in their middle
_SHAPE_RANGE = (0.3, 40.0)
_MOST_STEPS, _CLOSE = 40, 1e-7
_FARTHEST = 5.0  # most that one step may move c
_HALVINGS = 12


@dataclass(frozen=True)
class LogLogistic:
    """Price distributions of `n` campaigns, `P(price <= b) = 1 / (1 + (median / b) ** shape)`.

    Attributes:
        median: micros, shape `(n,)`.
        shape: steepness, shape `(n,)`.
    """

    median: Floats
    shape: Floats

    def chance(self, log_price: Floats) -> Floats:
        """Return P(price <= e^log_price), shape `(n, k)` for log prices of shape `(k,)`."""
        return _logistic(self.shape[:, None] * (log_price - np.log(self.median)[:, None]))


def fit(counts: npt.NDArray[np.floating[Any]]) -> LogLogistic:
    """Return the most likely distributions.

    A weak prior bounds the fit where evidence does not: bids that all won show that prices are low, not how low.

    Args:
        counts: evidence, shape `(n, verdicts, bins)`; a campaign without any gets a meaningless median.
    """
    counts = counts.astype(np.float64)
    won = counts[:, PriceEvidence.WON] + counts[:, PriceEvidence.KNOWN]
    lost = counts[:, PriceEvidence.LOST] + counts[:, PriceEvidence.KNOWN]
    total = won + lost
    middle = (total @ CENTRES) / np.maximum(total.sum(axis=1), 1e-12)
    x = CENTRES - middle[:, None]
    problem = _Problem(x, won, total, counts[:, PriceEvidence.KNOWN].sum(axis=1) + _SHAPE_WEIGHT)
    a, c = _maximum(problem)
    shape = np.clip(a, *_SHAPE_RANGE)
    return LogLogistic(np.exp(np.clip(middle - c / shape, CENTRES[0], CENTRES[-1])), shape)


@dataclass(frozen=True)
class _Problem:
    """The log likelihood of `n` campaigns, x centred among the bids of each so that Newton's steps are well scaled."""

    x: Floats  # (n, bins)
    won: Floats  # (n, bins): times log s(z)
    total: Floats  # (n, bins): that and times log s(-z)
    slopes: Floats  # (n,): times log a

    def value(self, a: Floats, c: Floats) -> Floats:
        z = a[:, None] * self.x + c[:, None]
        likelihood = (self.won * z).sum(axis=1) - (self.total * np.logaddexp(0.0, z)).sum(axis=1)
        prior = _PLACE_WEIGHT * (c - 2.0 * np.logaddexp(0.0, c)) - _SHAPE_WEIGHT * a / USUAL_SHAPE
        value: Floats = likelihood + prior + self.slopes * np.log(a)
        return value

    def step(self, a: Floats, c: Floats) -> tuple[Floats, Floats]:
        """Return Newton's step towards the maximum."""
        p = _logistic(a[:, None] * self.x + c[:, None])
        rest, bend = self.won - self.total * p, self.total * p * (1.0 - p)
        p_prior = _logistic(c)
        grad_c = rest.sum(axis=1) + _PLACE_WEIGHT * (1.0 - 2.0 * p_prior)
        grad_a = (self.x * rest).sum(axis=1) + self.slopes / a - _SHAPE_WEIGHT / USUAL_SHAPE
        h_cc = bend.sum(axis=1) + 2.0 * _PLACE_WEIGHT * p_prior * (1.0 - p_prior)
        h_ca = (self.x * bend).sum(axis=1)
        h_aa = (self.x**2 * bend).sum(axis=1) + self.slopes / a**2
        # At least the bound from Cauchy-Schwarz, which rounding can break where all bids are alike.
        determinant = np.maximum(h_cc * h_aa - h_ca**2, h_cc * self.slopes / a**2 + 1e-12)
        return (h_cc * grad_a - h_ca * grad_c) / determinant, (h_aa * grad_c - h_ca * grad_a) / determinant


def _maximum(problem: _Problem) -> tuple[Floats, Floats]:
    """Return the maximum of the likelihood: a, above 0, and c; both of shape `(n,)`."""
    a, c = np.full(len(problem.x), USUAL_SHAPE), np.zeros(len(problem.x))
    best = problem.value(a, c)
    for _ in range(_MOST_STEPS):
        da, dc = problem.step(a, c)
        # Newton's step, shortened so that a stays above 0 and probabilities do not saturate.
        part = np.minimum(
            1.0, np.minimum(0.7 * a / np.maximum(-da, 1e-300), _FARTHEST / np.maximum(np.abs(dc), 1e-300))
        )
        for _ in range(_HALVINGS):
            value = problem.value(a + part * da, c + part * dc)
            worse = value < best - 1e-9 * np.abs(best)
            if not worse.any():
                break
            part = np.where(worse, 0.5 * part, part)
        a, c, best = a + part * da, c + part * dc, value
        if (np.abs(da) + np.abs(dc)).max(initial=0.0) < _CLOSE:
            break
    return a, c


def _logistic(z: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * z))
