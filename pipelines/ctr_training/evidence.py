"""Logistic regression that learns from the data how far to regularise each field.

Each field's weights have a normal prior with one variance, and the variances maximise the evidence of the data (MacKay,
Neural Computation 4, 1992): a field whose values differ by chance alone ends near 0 and does no harm, an informative
one is hardly shrunk. Nothing is tuned on held-out rows. The variance itself has a prior, worth four weights of 0.1,
without which a few clicks would turn fields on and off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BELIEF, _BELIEVED_SQUARE = 4.0, 0.01  # pseudo-weights in the prior of a variance, and their mean square
ROUNDS = 12
"""Maximum number of alternations between L-BFGS and evidence."""

_STEPS = 60  # of L-BFGS per round; the next round continues from there
_ENOUGH = 200_000  # rows; with twice as many or more, a subset is fitted first
_SETTLED = 0.1  # change of a log precision below which the alternation ends


@dataclass(frozen=True)
class Weights:
    """The fitted weights.

    Attributes:
        weight: weight of each column, shape `(columns,)`.
        bias: bias of the logit.
        spread: standard deviation of each group's prior, shape `(groups,)`.
    """

    weight: Floats
    bias: float
    spread: Floats


def fit_logistic(
    columns: npt.NDArray[np.int32],
    label: npt.NDArray[np.float32],
    group: Ints,
    prior: tuple[float, float],
    on_round: Callable[[], None] = lambda: None,
) -> Weights:
    """Fit by alternating L-BFGS and evidence.

    Args:
        columns: the columns that are 1 in each row, shape `(n, k)`.
        label: 0 or 1, shape `(n,)`.
        group: group of each column, whose columns share a variance, shape `(columns,)`.
        prior: prior rate, and how many rows it is worth: an empty sample ends at this rate.
        on_round: called after each round, for a progress bar, at most `ROUNDS` times.
    """
    rate, worth = prior
    mean = (float(label.sum()) + rate * worth) / (len(label) + worth)
    groups = int(group.max(initial=-1)) + 1
    precision = np.full(groups, 1.0 / _BELIEVED_SQUARE)
    theta = np.append(np.zeros(len(group)), np.log(mean / (1.0 - mean)))
    if not 0.0 < label.sum() < len(label):
        return Weights(theta[:-1], float(theta[-1]), precision**-0.5)
    state, step = (theta, precision), max(1, len(label) // _ENOUGH)
    # First fit an evenly spread subset of many rows: weights and variances will end near its result.
    strides = (step, 1) if step > 1 else (1,)
    for stride in strides:
        rounds = ROUNDS // len(strides)
        state = _settle(columns[::stride], label[::stride], group, state, rounds=rounds, on_round=on_round)
    theta, precision = state
    return Weights(theta[:-1], float(theta[-1]), precision**-0.5)


def _settle(
    columns: npt.NDArray[np.int32],
    label: npt.NDArray[np.float32],
    group: Ints,
    state: tuple[Floats, Floats],
    *,
    rounds: int,
    on_round: Callable[[], None],
) -> tuple[Floats, Floats]:
    """Alternate between weights and precisions, from their current values, until the precisions hardly change."""
    theta, precision = state
    rows = _one_hot(columns, len(group))
    across = rows.T.tocsr()
    for _ in range(rounds):
        theta = _descend(rows, across, label, precision[group], theta)
        curvature = across @ _variance(rows, theta)
        better = _by_evidence(theta[:-1], curvature, group, precision)
        change, precision = np.abs(np.log(better / precision)).max(initial=0.0), better
        on_round()
        if change < _SETTLED:
            break
    return theta, precision


def _by_evidence(weight: Floats, curvature: Floats, group: Ints, precision: Floats) -> Floats:
    """Return the precisions that maximise the evidence: per group, effective number of weights over their squares."""
    decided = np.bincount(group, curvature / (curvature + precision[group]), len(precision))
    square = np.bincount(group, weight**2, len(precision))
    better: Floats = (decided + _BELIEF) / (square + _BELIEF * _BELIEVED_SQUARE)
    return better


def _descend(
    rows: csr_matrix, across: csr_matrix, label: npt.NDArray[np.float32], precision: Floats, theta: Floats
) -> Floats:
    """Return the weights, followed by the bias, of maximum posterior density."""
    sign = 1.0 - 2.0 * label

    def loss(theta: Floats) -> tuple[float, Floats]:
        logit = _logits(rows, theta)
        excess = _sigmoid(logit) - label
        cost = np.logaddexp(0.0, sign * logit).sum(dtype=np.float64) + 0.5 * (precision * theta[:-1] ** 2).sum()
        slope = (across @ excess).astype(np.float64) + precision * theta[:-1]
        return float(cost), np.append(slope, excess.sum(dtype=np.float64))

    found = minimize(loss, theta, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    best: Floats = found.x
    return best


def _one_hot(columns: npt.NDArray[np.int32], width: int) -> csr_matrix:
    n, k = columns.shape
    ends = np.arange(0, n * k + 1, k)
    return csr_matrix((np.ones(n * k, np.float32), columns.ravel(), ends), shape=(n, width))


def _logits(rows: csr_matrix, theta: Floats) -> npt.NDArray[np.float32]:
    logits: npt.NDArray[np.float32] = rows @ theta[:-1].astype(np.float32) + np.float32(theta[-1])
    return logits


def _variance(rows: csr_matrix, theta: Floats) -> npt.NDArray[np.float32]:
    chance = _sigmoid(_logits(rows, theta))
    variance: npt.NDArray[np.float32] = chance * (1.0 - chance)
    return variance


def _sigmoid(logit: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    chance: npt.NDArray[np.float32] = np.float32(1.0) / (np.float32(1.0) + np.exp(-logit))
    return chance
