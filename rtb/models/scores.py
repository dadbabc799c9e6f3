"""Scores of candidates by a click model, apart from the models so that readers need no torch.

Importing torch takes 190 MB and one and a half seconds; only the process that scores needs it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from rtb.models.features import Rows

CLICK, CONVERSION = 0, 1
"""Columns of a model's probabilities: P(click) and P(conversion | click)."""

PRIOR = (0.001, 0.02)
"""P(click) and P(conversion | click) without a trained model: a low CTR, so that bids are low."""

UNTRAINED = "untrained"
"""Version of scores by the prior."""


class Scores(NamedTuple):
    """A model's scores of candidates.

    Attributes:
        probability: P(click) and P(conversion | click), shape `(n, 2)`.
        model: version of the model.
    """

    probability: npt.NDArray[np.float32]
    model: str


class Scorer(Protocol):
    """The interface of a model for serving: see `rtb.models.ctr.CTRScorer`."""

    version: str

    def score(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Return probabilities, shape `(n, 2)`, for feature rows, shape `(n, fields)`."""
        ...


def prior_scores(count: int) -> Scores:
    """Return the scores of this many candidates by the prior, as `CTRScorer.untrained` makes them."""
    return Scores(np.tile(np.array(PRIOR, np.float32), (count, 1)), UNTRAINED)
