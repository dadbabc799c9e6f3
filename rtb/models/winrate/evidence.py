"""Counts of bid outcomes: all that the fits need, whatever the number of bids; older ones weigh less."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HALF_LIFE = 2_000.0
"""Bids of a campaign after which an outcome counts half: enough for a curve, few enough to follow a market."""

STEP = 0.04
"""Width of a bin of log price. Prices are known by their bin, so to 2%."""

_LOWEST = 0.0  # log of one micro
BINS = 520  # up to e^20.8 micros: a thousand units of money for one impression

FAR = 2
"""Factor around the bid within which a reported price to beat is believed.

One farther away only counts as censored: a few absurd amounts would move a curve further than many honest ones.
"""

CENTRES: Floats = np.linspace(_LOWEST, _LOWEST + STEP * (BINS - 1), BINS)
"""Log price, micros, of each bin."""


class PriceEvidence(IntEnum):
    """The evidence of a bid's outcome on the price to beat."""

    WON = 0  # at most the amount: left-censored
    LOST = 1  # above the amount: right-censored
    KNOWN = 2  # exactly the amount: a clearing price, or a minimum to win


class Evidence:
    """Counts by row, verdict and bin of the amount; a row is a campaign in a market.

    A row's counts halve with every `half_life` bids of its own, whatever the time between them.

    Args:
        rows: initial number of rows; `grow` adds more.
        half_life: half-life in bids.
    """

    def __init__(self, rows: int = 1, half_life: float = HALF_LIFE) -> None:
        self.counts: npt.NDArray[np.float32] = np.zeros((rows, len(PriceEvidence), BINS), np.float32)  # 6 kB a row
        self._keep = 0.5 ** (1.0 / half_life)

    def __len__(self) -> int:
        return len(self.counts)

    def grow(self, rows: int) -> None:
        """Add rows up to at least this number."""
        if rows > len(self):
            more = np.zeros((max(rows, 2 * len(self)) - len(self), len(PriceEvidence), BINS), np.float32)
            self.counts = np.concatenate([self.counts, more])

    def add(self, row: npt.NDArray[np.intp], verdict: Ints, micros: npt.ArrayLike) -> None:
        """Add outcomes of bids; every argument has shape `(n,)`.

        Args:
            row: row of each bid.
            verdict: `PriceEvidence` of each.
            micros: amount of each verdict, for one impression; less than one micro counts as one.
        """
        rows, bids = np.unique(row, return_counts=True)
        self.counts[rows] *= (self._keep**bids)[:, None, None]
        np.add.at(self.counts, (row, verdict, bin_of(micros)), 1.0)

    def weight(self) -> Floats:
        """Return the number of bids that each row's counts amount to, shape `(rows,)`."""
        total: Floats = self.counts.sum(axis=(1, 2), dtype=np.float64)
        return total


def bin_of(micros: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Return the bin of each amount."""
    place = (np.log(np.maximum(micros, 1.0)) - _LOWEST) / STEP
    return np.clip(np.rint(place), 0, BINS - 1).astype(np.intp)
