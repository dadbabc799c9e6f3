"""The past of campaigns: their landscape, daily profile and usual averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtb.pacing.landscape import Landscape
from rtb.pacing.profile import DailyProfile

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Past:
    """The past of `e` campaigns.

    Attributes:
        landscape: landscape of `e` rows.
        profile: daily profile of `e` rows.
        pctr: mean pCTR, shape `(e,)`.
        price: mean market price, shape `(e,)`.
    """

    landscape: Landscape
    profile: DailyProfile
    pctr: Floats
    price: Floats

    def __len__(self) -> int:
        return len(self.pctr)

    @classmethod
    def stack(cls, parts: Sequence[Past]) -> Past:
        """Return the pasts of campaigns side by side."""
        return cls(
            Landscape.stack([part.landscape for part in parts]),
            DailyProfile.stack([part.profile for part in parts]),
            np.concatenate([part.pctr for part in parts]),
            np.concatenate([part.price for part in parts]),
        )

    def take(self, rows: npt.ArrayLike) -> Past:
        """Return the pasts of some campaigns, by index; an index may come twice."""
        index = np.asarray(rows, np.intp)
        return Past(self.landscape.take(index), self.profile.take(index), self.pctr[index], self.price[index])

    def believed(self, price: Floats, pctr: Floats) -> Past:
        """Return the past with prices and pCTRs misjudged by these factors, shape `(e,)` each."""
        return Past(self.landscape.believed(price, pctr), self.profile, self.pctr * pctr, self.price * price)
