"""What came of bids, as counts: all that the fits need, of any number of bids, older ones weighing less."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HALF_LIFE = 2_000.0
"""Bids of a campaign after which what was seen counts half: enough for a curve, few enough to follow a market."""

STEP = 0.04
"""Width of a bin of log price. Prices are known by their bin, so to 2%."""

_LOWEST = 0.0  # log of one micro
BINS = 520  # up to e^20.8 micros: a thousand units of money for one impression

FAR = 2
"""A price to beat that was told is believed up to so many times the bid, and down to the bid over it.

Of one farther away all that counts is that it is: a few absurd amounts would move a curve further than many honest
ones.
"""

CENTRES: Floats = np.linspace(_LOWEST, _LOWEST + STEP * (BINS - 1), BINS)
"""Log price, micros, of each bin."""


class Verdict(IntEnum):
    """What a bid's end says of the price to beat."""

    WON = 0  # it was the amount or less: left-censored
    LOST = 1  # it was more than the amount: right-censored
    KNOWN = 2  # it was the amount: a clearing price, or a minimum to win


class Evidence:
    """Counts by row, verdict and bin of the amount; a row is a campaign in a market.

    A row's counts halve each `half_life` bids of its own, whatever the time between them.

    Args:
        rows: to begin with; `grow` adds more.
        half_life: in bids.
    """

    def __init__(self, rows: int = 1, half_life: float = HALF_LIFE) -> None:
        self.counts: npt.NDArray[np.float32] = np.zeros((rows, len(Verdict), BINS), np.float32)  # 6 kB a row
        self._keep = 0.5 ** (1.0 / half_life)

    def __len__(self) -> int:
        return len(self.counts)

    def grow(self, rows: int) -> None:
        """Have at least so many rows."""
        if rows > len(self):
            more = np.zeros((max(rows, 2 * len(self)) - len(self), len(Verdict), BINS), np.float32)
            self.counts = np.concatenate([self.counts, more])

    def add(self, row: npt.NDArray[np.intp], verdict: Ints, micros: npt.ArrayLike) -> None:
        """Take in what became of some bids; every argument of shape `(n,)`.

        Args:
            row: of each bid.
            verdict: a `Verdict` each.
            micros: the amount that it speaks of, for one impression; less than one micro counts as one.
        """
        rows, bids = np.unique(row, return_counts=True)
        self.counts[rows] *= (self._keep**bids)[:, None, None]
        np.add.at(self.counts, (row, verdict, bin_of(micros)), 1.0)

    def weight(self) -> Floats:
        """Bids that each row's counts stand for, shape `(rows,)`."""
        total: Floats = self.counts.sum(axis=(1, 2), dtype=np.float64)
        return total


def bin_of(micros: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Bin of each amount."""
    place = (np.log(np.maximum(micros, 1.0)) - _LOWEST) / STEP
    return np.clip(np.rint(place), 0, BINS - 1).astype(np.intp)
