"""CTR models compared: log loss and AUC on impressions that came after what the candidate was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.datasets import ClickData
from pipelines.gate.comparison import Comparison, Floats, Ints, NotComparable, measure, resamples
from rtb.artefacts import ArtefactError, read_meta
from rtb.ctr import CLICK, CTRScorer
from rtb.features import FIELDS

_CLICKS = 30
"""Clicks below which no interval means much."""

_BLOCKS = 100
"""Stretches of time that are drawn: neighbours share users and prices, so single rows are not independent."""

_AUC_DRAWS = 200
_ROWS = 65_536  # scored at once


def read(folder: Path) -> CTRScorer:
    """A CTR model that this code can serve.

    Raises:
        ArtefactError: missing, damaged, of another schema, other fields, or with weights that are no numbers.
    """
    scorer = CTRScorer.load(folder)
    fields = read_meta(folder).config.get("fields", list(FIELDS))
    if fields != list(FIELDS):
        raise ArtefactError(f"{folder} was trained on the fields {', '.join(fields)}: train it again")
    if not np.isfinite(scorer.score(np.zeros((1, len(FIELDS)), np.int32))).all():
        raise ArtefactError(f"{folder} predicts what is no number: train it again")
    return scorer


def compare(candidate: CTRScorer, champion: CTRScorer, data: ClickData, on: str) -> Comparison:
    """Both on the same impressions, in order of time.

    Raises:
        NotComparable: too few clicks.
        ArtefactError: the candidate predicts what is no probability.
    """
    clicks = int(data.click.sum())
    if min(clicks, len(data) - clicks) < _CLICKS:
        raise NotComparable(
            f"{on}: {clicks} clicks on {len(data)} impressions cannot tell models apart, {_CLICKS} are the least: "
            "wait for more, or give other data"
        )
    ours, theirs = _predicted(candidate, data), _predicted(champion, data)
    if not (np.isfinite(ours).all() and ours.min() >= 0.0 and ours.max() <= 1.0):
        raise ArtefactError("it predicts what is no probability: train it again")
    block = np.arange(len(data)) * min(_BLOCKS, len(data)) // len(data)
    drawn = resamples(int(block[-1]) + 1)
    return Comparison(champion.version, on, (_log_losses(ours, theirs, data, block, drawn), _aucs(ours, theirs, data, block, drawn)))


def _log_losses(ours: Floats, theirs: Floats, data: ClickData, block: Ints, drawn: Ints) -> object:
    ...


def _predicted(scorer: CTRScorer, data: ClickData) -> Floats:
    parts = [scorer.score(data.rows[start : start + _ROWS])[:, CLICK] for start in range(0, len(data), _ROWS)]
    return np.concatenate(parts).astype(np.float64)
