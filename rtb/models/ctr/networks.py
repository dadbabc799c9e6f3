"""The CTR networks: from feature rows to logits of a click and of a conversion after a click.

All of them have a wide part: a weight per bucket, and a weight per pair of campaign and bucket, since every campaign's
audience responds in its own way (the wide part of Cheng et al., DLRS 2016, arXiv 1606.07792). `lr` is the wide part
alone. The others add interactions of embedded fields: `fm` (Rendle, ICDM 2010), `deepfm` (Guo et al., IJCAI 2017, arXiv
1703.04247), `dcnv2` (Wang et al., WWW 2021, arXiv 2008.13535).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from rtb.models.features import BUCKETS, CONTEXT_FIELDS, FIELDS, TASTE_FIELDS

Model = Literal["lr", "fm", "deepfm", "dcnv2"]
MODELS: tuple[Model, ...] = get_args(Model)

CROSSES = 1 << 18
"""Rows of the wide table for pairs of campaign and bucket, after those of the buckets."""

WIDE_FIELDS = (*FIELDS, *(f"campaign*{field}" for field in TASTE_FIELDS))
"""Names of the columns of `wide_slots`."""

_TASTE = slice(len(CONTEXT_FIELDS), len(CONTEXT_FIELDS) + len(TASTE_FIELDS))
_CAMPAIGN = slice(FIELDS.index("campaign"), FIELDS.index("campaign") + 1)
_STRIDE, _CAMPAIGN_STRIDE = 13_007, 16_381  # odd, so that pairs of one campaign never collide; and within 32 bits


def wide_slots(rows: Tensor) -> Tensor:
    """Return rows of the wide table, shape `(n, len(WIDE_FIELDS))`, for rows of buckets, shape `(n, len(FIELDS))`."""
    pairs = (rows[:, _TASTE] * _STRIDE + rows[:, _CAMPAIGN] * _CAMPAIGN_STRIDE) & (CROSSES - 1)
    return torch.cat((rows, pairs + BUCKETS), dim=1)


class CTRNetwork(nn.Module):
    """A CTR network: a wide part, and for all models but `lr` interactions on top.

    Args:
        model: name of the model.
        dim: size of an embedding.
        hidden: widths of the perceptron's layers, in `deepfm` and `dcnv2`.
    """

    def __init__(self, model: Model = "lr", dim: int = 8, hidden: tuple[int, ...] = (64, 32)) -> None:
        super().__init__()
        self.model = model
        self.dim = dim
        self.hidden = hidden
        self.wide = nn.EmbeddingBag(BUCKETS + CROSSES, 2, mode="sum")
        self.bias = nn.Parameter(torch.zeros(2))
        nn.init.zeros_(self.wide.weight)
        self.interactions = _interactions(model, dim, hidden)

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits, shape `(n, 2)`, for rows of buckets, shape `(n, len(FIELDS))`."""
        logits: Tensor = self.wide(wide_slots(rows)) + self.bias
        return logits if self.interactions is None else logits + self.interactions(rows)


class FactorizationMachine(nn.Module):
    """A factorisation machine: each pair of fields adds the dot product of its embeddings."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding = _embedding(dim)
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, rows: Tensor) -> Tensor:
        """Return what the pairs add to the logits, shape `(n, 2)`."""
        return self.pairs(self.embedding(rows))

    def pairs(self, embedded: Tensor) -> Tensor:
        """Return the same from embeddings, shape `(n, fields, dim)`, in time linear in the fields."""
        total = embedded.sum(dim=1)
        added: Tensor = 0.5 * (total.square() - embedded.square().sum(dim=1)).sum(dim=1, keepdim=True) * self.scale
        return added


class DeepFM(FactorizationMachine):
    """DeepFM: a factorisation machine and a perceptron over the same embeddings."""

    def __init__(self, dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__(dim)
        self.deep = _perceptron(len(FIELDS) * dim, hidden, 2)

    def forward(self, rows: Tensor) -> Tensor:
        """Return what both parts add to the logits, shape `(n, 2)`."""
        embedded = self.embedding(rows)
        deep: Tensor = self.deep(embedded.flatten(1))
        return self.pairs(embedded) + deep


class CrossNetwork(nn.Module):
    """DCN-V2, parallel: cross layers of low rank beside a perceptron."""

    def __init__(self, dim: int, hidden: tuple[int, ...], layers: int = 2, rank: int = 16) -> None:
        super().__init__()
        self.embedding = _embedding(dim)
        width = len(FIELDS) * dim
        self.down = nn.ModuleList(nn.Linear(width, rank, bias=False) for _ in range(layers))
        self.up = nn.ModuleList(nn.Linear(rank, width) for _ in range(layers))
        self.crossed = nn.Linear(width, 2)
        self.deep = _perceptron(width, hidden, 2)

    def forward(self, rows: Tensor) -> Tensor:
        """Return what both parts add to the logits, shape `(n, 2)`."""
        first: Tensor = self.embedding(rows).flatten(1)
        crossed = first
        for down, up in zip(self.down, self.up, strict=True):
            crossed = crossed + first * up(down(crossed))
        logits: Tensor = self.crossed(crossed) + self.deep(first)
        return logits


def _interactions(model: Model, dim: int, hidden: tuple[int, ...]) -> nn.Module | None:
    if model == "lr":
        return None
    if model == "fm":
        return FactorizationMachine(dim)
    return DeepFM(dim, hidden) if model == "deepfm" else CrossNetwork(dim, hidden)


def _embedding(dim: int) -> nn.Embedding:
    embedding = nn.Embedding(BUCKETS, dim)
    nn.init.normal_(embedding.weight, std=0.05)
    return embedding


def _perceptron(wide: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Return rectified layers; the last starts at 0, so that an untrained one adds nothing."""
    widths = (wide, *hidden)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    last = nn.Linear(widths[-1], outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
