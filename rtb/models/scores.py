"""What a click model says of candidates. Apart from the models, so that who reads it does without torch.

Torch is 190 MB and a second and a half of a process; only the one that scores needs it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from rtb.models.features import Rows

CLICK, CONVERSION = 0, 1
"""Columns of a model's probabilities: of a click, and of a conversion once clicked."""


class Scores(NamedTuple):
    """What a model makes of candidates.

    Attributes:
        probability: of a click, and of a conversion given a click, shape `(n, 2)`.
        model: its version.
    """

    probability: npt.NDArray[np.float32]
    model: str


class Scorer(Protocol):
    """A model in use: `rtb.models.ctr.CTRScorer`."""

    version: str

    def score(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Probabilities, shape `(n, 2)`, for feature rows, shape `(n, fields)`."""
        ...
