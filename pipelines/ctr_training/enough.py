"""Check whether impressions are enough to train a click model."""

from __future__ import annotations

import numpy as np

from pipelines.datasets import ClickData

LEAST = 10
"""Minimum number of clicks, and of impressions without one."""


class Untrainable(ValueError):
    """An error for impressions that no model can be trained on; the message says what they lack."""


def check_trainable(training: ClickData, calibrating: ClickData, judging: ClickData, keep_negatives: float) -> None:
    """Raise if impressions cannot train a model.

    Args:
        training: impressions to train on.
        calibrating: later impressions, to calibrate on.
        judging: latest impressions, to compute metrics on.
        keep_negatives: share of the impressions without a click that is trained on.

    Raises:
        Untrainable: a part lacks clicks or impressions without one, or all impressions are alike.
    """
    parts = (("first", training, LEAST), ("next", calibrating, 1), ("last", judging, 1))
    for name, part, least in parts:
        clicks = int(part.click.sum())
        if min(clicks, len(part) - clicks) < least:
            raise Untrainable(
                f"{clicks} clicks on the {name} {len(part)} impressions are not enough: at least {least} of them must "
                f"be clicked and {least} not; give more impressions, in time order"
            )
    others = keep_negatives * (len(training) - float(training.click.sum()))
    if not others >= LEAST:  # also if the share is NaN
        raise Untrainable(
            f"--keep-negatives {keep_negatives:g} leaves {others:.0f} impressions without a click: keep more"
        )
    if not np.ptp(training.rows, axis=0).any():
        raise Untrainable(
            f"the first {len(training)} impressions are alike in everything but the click: nothing to learn"
        )
