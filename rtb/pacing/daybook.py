"""What each hour of the day brought to campaigns lately: the book that their daily profiles are read from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.pacing.profile import HOURS, DailyProfile

Floats = npt.NDArray[np.float64]

_MEMORY_DAYS = 4.0
"""Days after which an hour counts half: longer than a weekend, shorter than a season."""


class Daybook:
    """Sums by the hour of the day for `count` campaigns, the older the less they weigh.

    Args:
        count: of campaigns.
    """

    def __init__(self, count: int) -> None:
        self._sums = np.zeros((4, count, HOURS))  # hours watched, auctions, spent, forecast

    def remember(self, old: Daybook, rows: npt.NDArray[np.intp]) -> None:
        """Go on with another book: `rows` are each campaign's place there, -1 for a new one."""
        known = rows >= 0
        self._sums[:, known] = old._sums[:, rows[known]]

    def add(self, hour: float, hours: Floats, auctions: Floats, spent: Floats, forecast: Floats) -> None:
        """Note what the last moments brought.

        Args:
            hour: hours since a midnight, now.
            hours: how long they were watched, shape `(count,)`.
            auctions: in them, shape `(count,)`.
            spent: in them, shape `(count,)`.
            forecast: what the landscape would have had spent at the levels bid, shape `(count,)`.
        """
        now = int(hour) % HOURS
        # Only this hour ages, by what is added to it: an hour not watched for days is not forgotten for that.
        self._sums[:, :, now] *= 0.5 ** (hours / _MEMORY_DAYS)
        self._sums[:, :, now] += np.stack([hours, auctions, spent, forecast])

    def traffic(self) -> Floats:
        """Auctions an hour, the mean over the day, shape `(count,)`."""
        # The mean of the hours' rates, so that an hour watched twice as long does not count twice.
        traffic: Floats = self.profile().traffic.mean(axis=1)
        return traffic

    def profile(self) -> DailyProfile:
        """The day as the book has it."""
        return DailyProfile.from_sums(*self._sums)
