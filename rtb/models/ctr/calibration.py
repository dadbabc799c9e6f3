"""Calibration of a network's logits to probabilities that match observed rates, with a few parameters per output.

Platt (1999): a line on the logit, for few clicks. Isotonic (Zadrozny, Elkan, KDD 2002): a rising curve, for many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float32]
Tensors = dict[str, npt.NDArray[np.float32]]

_SLOPE, _OFFSET = "calibration.slope", "calibration.offset"
_KNOTS = ("calibration.click", "calibration.conversion")


class Calibration(Protocol):
    """A calibration of logits."""

    def probabilities(self, logits: Tensor) -> Floats:
        """Return P(click) and P(conversion | click), shape `(n, 2)`, for logits of the same shape."""
        ...

    def tensors(self) -> Tensors:
        """Return its parameters for an artefact."""
        ...


@dataclass(frozen=True)
class Platt:
    """`sigmoid(slope * logit + offset)`.

    Attributes:
        slope: slope of each output, above 0, shape `(2,)`.
        offset: offset of each output, shape `(2,)`.
    """

    slope: Tensor
    offset: Tensor

    @classmethod
    def identity(cls) -> Platt:
        """Return the identity: logits as they are."""
        return cls(torch.ones(2), torch.zeros(2))

    def probabilities(self, logits: Tensor) -> Floats:
        """See `Calibration`."""
        scores: Floats = torch.addcmul(self.offset, logits, self.slope).sigmoid_().numpy()
        return scores

    def tensors(self) -> Tensors:
        """See `Calibration`."""
        return {_SLOPE: self.slope.numpy(), _OFFSET: self.offset.numpy()}


@dataclass(frozen=True)
class Isotonic:
    """A rising piecewise linear curve, constant beyond its ends.

    Attributes:
        click: logits and probabilities of its knots, both rising, shape `(2, knots)`.
        conversion: the same for conversions.
    """

    click: Floats
    conversion: Floats

    def probabilities(self, logits: Tensor) -> Floats:
        """See `Calibration`."""
        values = logits.numpy()
        curves = (self.click, self.conversion)
        return np.stack([np.interp(values[:, n], *curve) for n, curve in enumerate(curves)], 1).astype(np.float32)

    def tensors(self) -> Tensors:
        """See `Calibration`."""
        return dict(zip(_KNOTS, (self.click, self.conversion), strict=True))


def take(tensors: Tensors) -> Calibration:
    """Return the calibration among an artefact's tensors, and remove it from them.

    Raises:
        KeyError: there is none.
    """
    if _SLOPE in tensors:
        return Platt(torch.from_numpy(tensors.pop(_SLOPE)), torch.from_numpy(tensors.pop(_OFFSET)))
    return Isotonic(tensors.pop(_KNOTS[0]), tensors.pop(_KNOTS[1]))
