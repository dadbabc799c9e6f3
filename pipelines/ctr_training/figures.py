"""Quality of predictions: ranking, log loss, calibration and lift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.datasets import ClickData
from rtb.models.scores import CLICK, CONVERSION
from simulation.optimum import auc, bayes_auc, expected_auc

Floats = npt.NDArray[np.float64]

BINS = 10


class Bin(NamedTuple):
    """A tenth of the impressions, by prediction.

    Attributes:
        impressions: number of impressions.
        predicted: mean prediction.
        observed: observed rate.
        lift: observed rate relative to that of all impressions.
    """

    impressions: int
    predicted: float
    observed: float
    lift: float


def figures(predicted: npt.ArrayLike, label: npt.ArrayLike) -> dict[str, float]:
    """Return AUC, log loss and expected calibration error of probabilities, shape `(n,)`, for labels of 0 and 1."""
    p, y = np.asarray(predicted, np.float64), np.asarray(label, np.float64)
    return {"auc": auc(p, y), "logloss": log_loss(p, y), "ece": calibration_error(p, y)}


def report(probability: npt.NDArray[np.float32], data: ClickData) -> dict[str, float]:
    """Return a model's metrics from its predictions, shape `(n, 2)`: clicks, conversions after clicks, best possible.

    Undefined figures, such as the calibration without any click, are left out.
    """
    p = probability[:, CLICK].astype(np.float64)
    rate = float(data.click.mean())
    found = {**figures(p, data.click), "ctr": rate, "logloss_of_mean": log_loss(np.full(len(p), rate), data.click)}
    found["calibration"] = float(p.mean()) / rate if rate else float("nan")
    if data.truth is not None:
        reached, best = expected_auc(p, data.truth), bayes_auc(data.truth)
        found |= {"auc_expected": reached, "auc_best": best, "auc_share": (reached - 0.5) / (best - 0.5)}
    clicked = data.click > 0
    if data.conversion.any():
        of_clicked = figures(probability[clicked, CONVERSION], data.conversion[clicked])
        found |= {f"cvr_{name}": value for name, value in of_clicked.items()}
        found["cvr"] = float(data.conversion[clicked].mean())
    return {name: value for name, value in found.items() if np.isfinite(value)}


def bins(predicted: npt.ArrayLike, label: npt.ArrayLike) -> list[Bin]:
    """Return bins of equal size in order of prediction, lowest first; at most `BINS`."""
    p, y = np.asarray(predicted, np.float64), np.asarray(label, np.float64)
    mean = max(float(y.mean()), 1e-12)
    parts = np.array_split(np.argsort(p, kind="stable"), min(BINS, len(p)))
    return [
        Bin(len(part), float(p[part].mean()), float(y[part].mean()), float(y[part].mean()) / mean) for part in parts
    ]


def calibration_error(predicted: npt.ArrayLike, label: npt.ArrayLike) -> float:
    """Return the expected calibration error, in units of the rate (0.001 is a tenth of a percentage point).

    It is the mean over ten bins of equal size of the distance between mean prediction and observed rate (Nixon et al.,
    CVPRW 2019, arXiv 1904.01685: adaptive bins). A perfect model shows the noise of the bins' rates.
    """
    found = bins(predicted, label)
    total = sum(part.impressions for part in found)
    return sum(part.impressions * abs(part.predicted - part.observed) for part in found) / total


def log_loss(predicted: npt.ArrayLike, label: npt.ArrayLike) -> float:
    """Return the mean negative log likelihood, in nats."""
    p, y = np.clip(np.asarray(predicted, np.float64), 1e-7, 1.0 - 1e-7), np.asarray(label, np.float64)
    return float(-np.mean(y * np.log(p) + (1.0 - y) * np.log1p(-p)))
