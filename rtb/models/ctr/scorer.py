"""The scorer for serving, and its artefact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rtb.models import artefacts, features
from rtb.models.ctr import calibration as calibrations
from rtb.models.ctr.calibration import Calibration, Platt
from rtb.models.ctr.networks import MODELS, CTRNetwork
from rtb.models.scores import UNTRAINED, prior_scores


class CTRScorer:
    """A scorer of candidates, by a trained network or by the prior.

    Args:
        network: trained network; `None` scores everything by the prior.
        version: version of the model.
        calibration: calibration of its logits; none: the identity.
    """

    def __init__(self, network: CTRNetwork | None, version: str, calibration: Calibration | None = None) -> None:
        self._network = network.eval() if network is not None else None
        self._calibration = calibration or Platt.identity()
        self.version = version

    @classmethod
    def load(cls, folder: Path) -> CTRScorer:
        """Load a scorer from an artefact.

        Raises:
            artefacts.ArtefactError: it is missing, damaged, or trained on other features.
        """
        return load(folder)[0]

    @classmethod
    def untrained(cls) -> CTRScorer:
        """Return the scorer used before anything is trained."""
        return cls(None, UNTRAINED)

    def score(self, rows: features.Rows) -> npt.NDArray[np.float32]:
        """Return P(click) and P(conversion | click), shape `(n, 2)`."""
        if self._network is None or not len(rows):
            return prior_scores(len(rows)).probability
        with torch.inference_mode():
            return self._calibration.probabilities(self._network(torch.from_numpy(rows)))


def load(folder: Path) -> tuple[CTRScorer, artefacts.Meta]:
    """Load an artefact; return its scorer and its metadata.

    Raises:
        artefacts.ArtefactError: it is missing, damaged, or trained on other features.
    """
    artefact = artefacts.load(folder, kind="ctr", schema_version=features.SCHEMA_VERSION)
    config, tensors = artefact.meta.config, dict(artefact.tensors)
    try:
        if config["model"] not in MODELS:
            raise KeyError(config["model"])
        calibration = calibrations.take(tensors)
        network = CTRNetwork(config["model"], config["dim"], tuple(config["hidden"]))
        network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    except (KeyError, RuntimeError) as error:
        raise artefacts.ArtefactError(f"{folder} does not fit this network ({error}): train it again") from error
    return CTRScorer(network, artefact.meta.version, calibration), artefact.meta


def save(
    folder: Path,
    network: CTRNetwork,
    *,
    metrics: dict[str, float],
    trained_on: str,
    calibration: Calibration | None = None,
    source: dict[str, Any] | None = None,
) -> artefacts.Meta:
    """Write a network as an artefact.

    Args:
        folder: folder of the artefact.
        network: trained network.
        metrics: metrics of its training.
        trained_on: description of the training data.
        calibration: calibration of its logits.
        source: the training data in machine-readable form, to train another network on the same.
    """
    weights = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    return artefacts.save(
        folder,
        kind="ctr",
        schema_version=features.SCHEMA_VERSION,
        tensors=weights | (calibration or Platt.identity()).tensors(),
        config={
            "model": network.model,
            "dim": network.dim,
            "hidden": list(network.hidden),
            "fields": list(features.FIELDS),
            "source": source or {},
        },
        metrics=metrics,
        trained_on=trained_on,
    )
