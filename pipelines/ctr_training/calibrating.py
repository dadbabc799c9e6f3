"""Calibration of a network, fitted on rows that it was not trained on."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from pipelines.datasets import ClickData
from rtb.models.ctr import Calibration, Isotonic, Platt
from rtb.models.scores import CLICK, CONVERSION

Method = Literal["platt", "isotonic", "none"]
Floats = npt.NDArray[np.float32]

_SLOPE_SPREAD, _OFFSET_SPREAD = 0.2, 0.5  # prior standard deviation of a line's slope around 1 and offset around 0


def calibrate(method: Method, logits: Tensor, data: ClickData) -> Calibration:
    """Fit the calibration of a network's logits.

    Args:
        method: `isotonic` needs some hundred clicks, `platt` works with few: without clicks it changes nothing.
        logits: logits of the rows, shape `(n, 2)`.
        data: the rows; conversions are calibrated on clicked rows only.
    """
    if method == "none":
        return Platt.identity()
    clicked = data.click > 0
    pairs = (
        (logits[:, CLICK].numpy(), data.click),
        (logits[:, CONVERSION].numpy()[clicked], data.conversion[clicked]),
    )
    if method == "isotonic":
        return Isotonic(*(_curve(*pair) for pair in pairs))
    lines = torch.tensor([_line(*pair) for pair in pairs], dtype=torch.float32)
    return Platt(lines[:, 0].contiguous(), lines[:, 1].contiguous())


def _line(logit: Floats, label: Floats) -> tuple[float, float]:
    """Return the slope and offset of maximum posterior density."""
    sign = 1.0 - 2.0 * label

    def loss(line: npt.NDArray[np.float64]) -> float:
        cost = np.logaddexp(0.0, sign * (line[0] * logit + line[1])).sum(dtype=np.float64)
        return float(cost + 0.5 * ((line[0] - 1.0) / _SLOPE_SPREAD) ** 2 + 0.5 * (line[1] / _OFFSET_SPREAD) ** 2)

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return max(float(slope), 0.05), float(offset)


def _curve(logit: Floats, label: Floats) -> Floats:
    """Return the knots of the best-fitting isotonic step function, joined by lines; constant if no label is 1."""
    if not label.any():
        ends = np.array([-20.0, 20.0], np.float32)
        return np.stack([ends, 1.0 / (1.0 + np.exp(-ends))])
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(logit, label)
    return np.stack([fitted.X_thresholds_, fitted.y_thresholds_]).astype(np.float32)
