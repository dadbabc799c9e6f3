"""Upper bounds: what could have been bought in hindsight, and how well clicks could be ranked at best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def hindsight(value: npt.ArrayLike, price: npt.ArrayLike, budget: npt.ArrayLike, *, least_ratio: float = 0.0) -> Floats:
    """Return the most value that `budget` buys with all auctions known, for each of `e` episodes.

    This is the linear relaxation of the knapsack problem: auctions in order of value per price, the last one in part.
    So it is an upper bound for any bidder at these prices, above the best integer solution by less than one auction's
    value.

    Args:
        value: worth of each auction, shape `(e, n)`, not negative.
        price: cost of winning each, same shape, above 0.
        budget: budgets, shape `(e,)`, in the price's unit.
        least_ratio: exclude auctions of a lower value per price. 1 excludes what costs more than it is worth; then the
            choice is also the one of most surplus, value minus price.

    Returns:
        Value and spend, shape `(2, e)`.
    """
    value, price = np.atleast_2d(np.asarray(value, np.float64)), np.atleast_2d(np.asarray(price, np.float64))
    ratio = value / price
    order = np.argsort(-ratio, axis=1)
    sorted_price = np.take_along_axis(price, order, axis=1)
    sorted_value = np.take_along_axis(np.where(ratio >= least_ratio, value, 0.0), order, axis=1)
    sorted_price[sorted_value <= 0.0] = 0.0
    left = np.atleast_1d(np.asarray(budget, np.float64))[:, None]
    before = np.cumsum(sorted_price, axis=1) - sorted_price
    part = np.clip((left - before) / np.where(sorted_price > 0.0, sorted_price, 1.0), 0.0, 1.0)
    return np.stack([(part * sorted_value).sum(axis=1), (part * sorted_price).sum(axis=1)])


def shadow_level(value: npt.ArrayLike, price: npt.ArrayLike, budget: npt.ArrayLike) -> Floats:
    """Return the price per value at the margin of `hindsight`'s choice, shape `(e,)`: the best linear bidder's level.

    Args:
        value: worth of each auction, shape `(e, n)`, not negative.
        price: cost of winning each, same shape, above 0.
        budget: budgets, shape `(e,)`, in the price's unit.

    Returns:
        The level; where the budget buys everything of value, the highest price per value among that.
    """
    value, price = np.atleast_2d(np.asarray(value, np.float64)), np.atleast_2d(np.asarray(price, np.float64))
    cost = np.where(value > 0.0, price / np.where(value > 0.0, value, 1.0), np.inf)
    order = np.argsort(cost, axis=1)
    ordered = np.take_along_axis(cost, order, axis=1)
    useful = np.isfinite(ordered)
    spent = np.cumsum(np.where(useful, np.take_along_axis(price, order, axis=1), 0.0), axis=1)
    within = (spent <= np.atleast_1d(np.asarray(budget, np.float64))[:, None]) & useful
    last = np.minimum(within.sum(axis=1), np.maximum(useful.sum(axis=1) - 1, 0))
    level: Floats = ordered[np.arange(len(last)), last]
    return level


def auc(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the area under the ROC curve: how often a clicked impression outscores another; ties count half.

    Returns:
        NaN when all labels are the same.
    """
    return expected_auc(scores, np.asarray(labels, np.float64))


def expected_auc(scores: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Return the AUC of `scores` when impression i is clicked with probability `p[i]`, independently.

    It is the expected number of correctly ordered pairs over the expected number of pairs of a clicked and an unclicked
    impression, the limit of the realised AUC as impressions grow. With `p` of 0 and 1 it is the realised AUC.

    Returns:
        NaN when there is no such pair.
    """
    p = np.asarray(p, np.float64)
    _, group = np.unique(np.asarray(scores), return_inverse=True)
    clicked, other = np.bincount(group, p), np.bincount(group, 1.0 - p)
    oneself = np.bincount(group, p * (1.0 - p))  # an impression is not paired with itself
    pairs = clicked.sum() * other.sum() - oneself.sum()
    if pairs <= 0.0:
        return float("nan")
    below = np.cumsum(other) - other
    return float((clicked @ below + 0.5 * (clicked @ other - oneself.sum())) / pairs)


def bayes_auc(p: npt.ArrayLike) -> float:
    """Return the best expected AUC of any scorer when impression i is clicked with probability `p[i]`: that of `p`."""
    return expected_auc(p, p)
