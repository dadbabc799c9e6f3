"""The gate in front of the served folders: a training writes there only what passes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from pipelines.ctr_training.sources import ClickSource, is_recorded
from pipelines.datasets import ClickData
from pipelines.gate.comparison import GateClosed, NotComparable
from pipelines.gate.ctr import compare_predictions
from pipelines.gate.held_out import HeldOut
from pipelines.gate.policy import PolicyGate
from rtb.models import ctr, policy
from rtb.models.artefacts import ArtefactError
from rtb.models.ctr import CTRScorer
from rtb.models.policy import Policy

_ELSEWHERE = "use --out to write it to another folder"


def admit_ctr(
    folder: Path, predicted: npt.NDArray[np.float64], data: ClickData, source: ClickSource, first: int
) -> None:
    """Raise if a CTR model is worse than the one in the folder it is to be written to.

    That one may have been trained on these very impressions; the model is then compared with the untrained default.

    Args:
        folder: folder of the served model.
        predicted: click probabilities for `data`, by a model that was not trained on it, shape `(n,)`.
        data: the last impressions of the source.
        source: source of the impressions.
        first: index of the first of them.

    Raises:
        Refused: it is worse, or `data` cannot tell.
    """
    champion = CTRScorer.untrained()
    try:
        scorer, meta = ctr.load(folder)
        record = meta.config.get("source", {})
        if not (is_recorded(source, record) and int(record["rows"]) > first):
            champion = scorer
    except ArtefactError:
        pass  # it could not be served
    on = f"the last {len(data)} impressions"
    try:
        objection = compare_predictions(predicted, champion, data, on).objection
    except NotComparable as error:
        raise GateClosed(f"{error}; {_ELSEWHERE}") from error
    if objection:
        raise GateClosed(f"the model is {objection}; {_ELSEWHERE}")


def admit_policy(folder: Path, candidate: Policy, progress: Progress) -> None:
    """Raise if a policy is worse than the one in the folder it is to be written to.

    Raises:
        Refused: it is worse.
    """
    gate = PolicyGate(HeldOut())
    champion: Path | None = folder
    try:
        gate.read(folder)
    except ArtefactError:
        champion = None  # it could not be served
    with tempfile.TemporaryDirectory(prefix="raybid-") as draft, progress:
        policy.save(Path(draft) / "policy", candidate, metrics={}, trained_on="")
        objection = gate.compare(Path(draft) / "policy", champion, progress).objection
    if objection:
        raise GateClosed(f"the policy is {objection}; {_ELSEWHERE}")
