"""The CTR network and its scorer: feature rows in, click and conversion probabilities out. Plain torch.

A DeepFM (Guo et al., IJCAI 2017, arXiv 1703.04247) with two outputs: the chance of a click, and the chance of a
conversion once clicked. The embedding table is shared between the factorisation machine and the perceptron.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from rtb import artefacts, features

CLICK, CONVERSION = 0, 1
"""Columns of the network's outputs and of a scorer's answer."""

PRIOR = (0.001, 0.02)
"""What is assumed of any impression before a model is trained: a low CTR, so that it bids little, and a CVR."""


class CTRNetwork(nn.Module):
    """DeepFM over hashed fields, two logits.

    Args:
        dim: size of an embedding.
        hidden: widths of the perceptron's layers.
    """

    def __init__(self, dim: int = 8, hidden: tuple[int, ...] = (64, 32)) -> None:
        super().__init__()
        self.dim = dim
        self.hidden = hidden
        self.linear = nn.Embedding(features.BUCKETS, 2)
        self.embedding = nn.Embedding(features.BUCKETS, dim)
        widths = (len(features.FIELDS) * dim, *hidden)
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            layers += [nn.Linear(wide, narrow), nn.ReLU()]
        self.deep = nn.Sequential(*layers, nn.Linear(widths[-1], 2))
        self.interaction = nn.Parameter(torch.ones(2))
        self.bias = nn.Parameter(torch.zeros(2))
        nn.init.zeros_(self.linear.weight)
        nn.init.normal_(self.embedding.weight, std=0.05)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits, shape `(n, 2)`, for rows of buckets, shape `(n, len(FIELDS))`."""
        embedded = self.embedding(rows)
        total = embedded.sum(dim=1)
        # Sum over all pairs of fields of their embeddings' dot product, without visiting the pairs.
        pairs = 0.5 * (total.square() - embedded.square().sum(dim=1)).sum(dim=1, keepdim=True)
        deep: Tensor = self.deep(embedded.flatten(1))
        logits: Tensor = self.bias + self.linear(rows).sum(dim=1) + pairs * self.interaction + deep
        return logits


class CTRScorer:
    """Scores candidates with a trained network, or with the prior when there is none.

    Args:
        network: trained weights; `None` answers `PRIOR` for everything.
        version: name of the weights.
    """

    def __init__(self, network: CTRNetwork | None, version: str) -> None:
        self._network = network.eval() if network is not None else None
        self.version = version

    @classmethod
    def load(cls, folder: Path) -> CTRScorer:
        """From an artefact.

        Raises:
            artefacts.ArtefactError: missing, damaged, or trained on other features.
        """
        artefact = artefacts.load(folder, kind="ctr", schema_version=features.SCHEMA_VERSION)
        config = artefact.meta.config
        try:
            network = CTRNetwork(config["dim"], tuple(config["hidden"]))
            network.load_state_dict({name: torch.from_numpy(value) for name, value in artefact.tensors.items()})
        except (KeyError, RuntimeError) as error:
            raise artefacts.ArtefactError(f"{folder} does not fit this network ({error}): train it again") from error
        return cls(network, artefact.meta.version)

    @classmethod
    def untrained(cls) -> CTRScorer:
        """The scorer before anything is trained."""
        return cls(None, "untrained")

    def score(self, rows: features.Rows) -> npt.NDArray[np.float32]:
        """Probabilities, shape `(n, 2)`: of a click, and of a conversion given a click."""
        if self._network is None or not len(rows):
            return np.tile(np.array(PRIOR, np.float32), (len(rows), 1))
        with torch.inference_mode():
            scores: npt.NDArray[np.float32] = torch.sigmoid(self._network(torch.from_numpy(rows))).numpy()
        return scores


def save(folder: Path, network: CTRNetwork, *, metrics: dict[str, float], trained_on: str) -> artefacts.Meta:
    """Write a network as an artefact."""
    return artefacts.save(
        folder,
        kind="ctr",
        schema_version=features.SCHEMA_VERSION,
        tensors={name: value.detach().cpu().numpy() for name, value in network.state_dict().items()},
        config={"dim": network.dim, "hidden": list(network.hidden), "fields": list(features.FIELDS)},
        metrics=metrics,
        trained_on=trained_on,
    )
