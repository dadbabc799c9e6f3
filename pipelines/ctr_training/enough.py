"""Whether impressions can teach a model of clicks at all."""

from __future__ import annotations

import numpy as np

from pipelines.datasets import ClickData

LEAST = 10
"""Clicks, and impressions without one, below which a training says nothing."""


class Untrainable(ValueError):
    """Impressions that no model can be trained on; the message says what they lack."""


def check_trainable(training: ClickData, calibrating: ClickData, judging: ClickData, keep_negatives: float) -> None:
    """Raise where impressions cannot teach a model.

    Args:
        training: what is learned from.
        calibrating: what comes after it, to calibrate on.
        judging: what comes last, to take figures on.
        keep_negatives: share of the impressions without a click that is trained on.

    Raises:
        Untrainable: clicks or other impressions are missing in a part, or all impressions are alike.
    """
    parts = (("first", training, LEAST), ("next", calibrating, 1), ("last", judging, 1))
    for name, part, least in parts:
        clicks = int(part.click.sum())
        if min(clicks, len(part) - clicks) < least:
            raise Untrainable(
                f"{clicks} clicks on the {name} {len(part)} impressions teach nothing: at least {least} of them must "
                f"be clicked and {least} not; give more impressions, in order of time"
            )
    others = keep_negatives * (len(training) - float(training.click.sum()))
    if not others >= LEAST:  # nor where the share is no number
        raise Untrainable(
            f"--keep-negatives {keep_negatives:g} leaves {others:.0f} impressions without a click: keep more"
        )
    if not np.ptp(training.rows, axis=0).any():
        raise Untrainable(
            f"the first {len(training)} impressions are alike in everything but the click: nothing to learn"
        )
