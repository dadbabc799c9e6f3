"""What campaigns know before they bid: the landscape, the day's pattern and the usual averages of their past."""

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
    """The pasts of `e` campaigns.

    Attributes:
        landscape: of `e` rows.
        profile: of `e` rows.
        pctr: mean, shape `(e,)`.
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
        """Campaigns side by side."""
        return cls(
            Landscape.stack([part.landscape for part in parts]),
            DailyProfile.stack([part.profile for part in parts]),
            np.concatenate([part.pctr for part in parts]),
            np.concatenate([part.price for part in parts]),
        )

    def take(self, rows: npt.ArrayLike) -> Past:
        """Some of the campaigns, by index; an index may come twice."""
        index = np.asarray(rows, np.intp)
        return Past(self.landscape.take(index), self.profile.take(index), self.pctr[index], self.price[index])

    def believed(self, price: Floats, pctr: Floats) -> Past:
        """The past of who believes prices and pCTRs to be so many times what they were, shape `(e,)` each."""
        return Past(self.landscape.believed(price, pctr), self.profile, self.pctr * pctr, self.price * price)
