"""Comparison of CTR models: log loss and AUC on impressions later than the candidate's training data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from pipelines.ctr_training.sources import ClickSource
from pipelines.datasets import ClickData
from pipelines.gate.comparison import Comparison, Floats, Ints, Measure, NotComparable, measure, resamples
from pipelines.gate.held_out import HeldOut
from pipelines.served import served_impressions
from rtb.models.artefacts import ArtefactError, check_inputs
from rtb.models.ctr import CTRScorer
from rtb.models.features import FIELDS
from rtb.models.scores import CLICK

Singles = npt.NDArray[np.float32]

_CLICKS = 20
"""Minimum number of clicks for a meaningful interval."""

_BLOCKS = 100
"""Stretches of time that the bootstrap draws: neighbouring rows share users and prices, so they are not independent."""

_AUC_DRAWS = 200
_ROWS = 65_536  # scored at a time

HELD_OUT = 0.2
"""Share of the served impressions, the newest ones, that is held out."""

_TRAFFIC_SEED = 900_001
"""Seed of simulated impressions: no training draws these unless told to."""


class CTRGate:
    """The gate of CTR models.

    Args:
        held_out: data to judge on.
    """

    def __init__(self, held_out: HeldOut) -> None:
        self._held_out = held_out

    def read(self, folder: Path) -> str:
        """See `ModelGate`."""
        return _read(folder).version

    def compare(self, candidate: Path, champion: Path | None, progress: Progress) -> Comparison:
        """See `ModelGate`."""
        data, on = self._data(progress)
        theirs = CTRScorer.untrained() if champion is None else _read(champion)
        return compare(_read(candidate), theirs, data, on)

    def _data(self, progress: Progress) -> tuple[ClickData, str]:
        held_out = self._held_out
        if held_out.events is None:
            data = ClickSource("simulator", None, held_out.impressions, _TRAFFIC_SEED, _TRAFFIC_SEED).read(progress)
            return data, f"{len(data)} simulated impressions"
        progress.add_task(f"reading {held_out.events.url}", total=None)
        data = served_impressions(held_out.events, held_out.since)
        if not held_out.since:
            data = data.split(1.0 - HELD_OUT)[1]
        return data, f"the {len(data)} newest impressions of {held_out.events.url}"


def _read(folder: Path) -> CTRScorer:
    scorer = CTRScorer.load(folder)
    check_inputs(folder, "fields", FIELDS)
    if not np.isfinite(scorer.score(np.zeros((1, len(FIELDS)), np.int32))).all():
        raise ArtefactError(f"{folder} predicts values that are not finite: train it again")
    return scorer


def check_enough(data: ClickData, on: str) -> None:
    """Raise if the data could not distinguish any two models.

    Raises:
        NotComparable: too few clicks.
    """
    clicks = int(data.click.sum())
    if min(clicks, len(data) - clicks) < _CLICKS:
        raise NotComparable(
            f"{on}: {clicks} clicks on {len(data)} impressions cannot distinguish models, {_CLICKS} are needed: "
            "wait for more, or give other data"
        )


def compare(candidate: CTRScorer, champion: CTRScorer, data: ClickData, on: str) -> Comparison:
    """Compare both on the same impressions, in time order.

    Raises:
        NotComparable: too few clicks.
        ArtefactError: the candidate's predictions are not probabilities.
    """
    return compare_predictions(_predicted(candidate, data), champion, data, on)


def compare_predictions(ours: Floats, champion: CTRScorer, data: ClickData, on: str) -> Comparison:
    """Compare a candidate's click probabilities, shape `(n,)`, with the champion's; see `compare`."""
    check_enough(data, on)
    theirs = _predicted(champion, data)
    if not (np.isfinite(ours).all() and ours.min() >= 0.0 and ours.max() <= 1.0):
        raise ArtefactError("its predictions are not probabilities: train it again")
    block = np.arange(len(data)) * min(_BLOCKS, len(data)) // len(data)
    drawn = resamples(int(block[-1]) + 1)
    measures = (_log_loss(ours, theirs, data.click, block, drawn), _auc(ours, theirs, data.click, block, drawn))
    return Comparison(champion.version, on, measures)


def _log_loss(ours: Floats, theirs: Floats, click: Singles, block: Ints, drawn: Ints) -> Measure:
    losses = [_entropy(predicted, click) for predicted in (ours, theirs)]
    by_block = np.bincount(block, losses[0] - losses[1])
    gains = drawn @ by_block / (drawn @ np.bincount(block))
    return measure("log loss", float(losses[0].mean()), float(losses[1].mean()), gains, sign=-1.0)


def _auc(ours: Floats, theirs: Floats, click: Singles, block: Ints, drawn: Ints) -> Measure:
    ranked = [_Ranked(predicted, click) for predicted in (ours, theirs)]
    weights = (times[block].astype(np.float64) for times in drawn[:_AUC_DRAWS])
    gains = np.array([ranked[0].auc(weight) - ranked[1].auc(weight) for weight in weights])
    every = np.ones(len(click))
    return measure("AUC", ranked[0].auc(every), ranked[1].auc(every), gains)


class _Ranked:
    """A set of predictions, sorted once for the AUC under many weightings of the rows."""

    def __init__(self, predicted: Floats, click: Singles) -> None:
        _, self._place = np.unique(predicted, return_inverse=True)
        self._click = click.astype(np.float64)

    def auc(self, weight: Floats) -> float:
        """Return the weighted AUC, with ties counting half; 0.5 if the sample lacks clicks or non-clicks."""
        clicks = np.bincount(self._place, weight * self._click)
        others = np.bincount(self._place, weight * (1.0 - self._click))
        below = np.cumsum(others) - others
        pairs = clicks.sum() * others.sum()
        return float(clicks @ (below + 0.5 * others) / pairs) if pairs else 0.5


def _entropy(predicted: Floats, click: Singles) -> Floats:
    p = np.clip(predicted, 1e-7, 1.0 - 1e-7)
    loss: Floats = -np.where(click > 0, np.log(p), np.log1p(-p))
    return loss


def _predicted(scorer: CTRScorer, data: ClickData) -> Floats:
    parts = [scorer.score(data.rows[start : start + _ROWS])[:, CLICK] for start in range(0, len(data), _ROWS)]
    return np.concatenate(parts).astype(np.float64)
