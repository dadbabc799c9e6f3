"""Baselines on the same rows: scikit-learn's logistic regression and LightGBM, with default settings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from lightgbm import LGBMClassifier
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from pipelines.datasets import ClickData
from rtb.models import features

Floats = npt.NDArray[np.float64]


def logistic_regression(training: ClickData, rows: features.Rows) -> Floats:
    """Return click probabilities by logistic regression over one-hot buckets, L2 of strength 1, shape `(n,)`."""
    if not _is_mixed(training):
        return _mean(training, rows)
    model = LogisticRegression(max_iter=500).fit(_one_hot(training.rows), training.click)
    chance: Floats = model.predict_proba(_one_hot(rows))[:, 1]
    return chance


def lightgbm(training: ClickData, rows: features.Rows, seed: int = 1) -> Floats:
    """Return click probabilities by 100 boosted trees over the buckets as categories, shape `(n,)`."""
    if not _is_mixed(training):
        return _mean(training, rows)
    model = LGBMClassifier(random_state=seed, verbose=-1, n_jobs=1)
    columns = [*range(len(features.FIELDS))]
    model.fit(training.rows, training.click, categorical_feature=columns)
    chance: Floats = np.asarray(model.predict_proba(rows))[:, 1]
    return chance


def _one_hot(rows: features.Rows) -> csr_matrix:
    n, k = rows.shape
    return csr_matrix((np.ones(n * k), rows.ravel(), np.arange(0, n * k + 1, k)), shape=(n, features.BUCKETS))


def _is_mixed(data: ClickData) -> bool:
    return 0.0 < float(data.click.sum()) < len(data)


def _mean(data: ClickData, rows: features.Rows) -> Floats:
    return np.full(len(rows), float(data.click.mean()))
