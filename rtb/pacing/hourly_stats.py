"""Recent statistics of campaigns by hour of the day, the source of their daily profiles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtb.pacing.profile import HOURS, DailyProfile

Floats = npt.NDArray[np.float64]

_MEMORY_DAYS = 4.0
"""Half-life of an hour in days: longer than a weekend, shorter than a season."""


class HourlyStats:
    """Exponentially weighted sums by hour of the day for `count` campaigns.

    Args:
        count: number of campaigns.
    """

    def __init__(self, count: int) -> None:
        self._sums = np.zeros((4, count, HOURS))  # hours watched, auctions, spent, forecast

    def remember(self, old: HourlyStats, rows: npt.NDArray[np.intp]) -> None:
        """Take over the sums of another one: `rows` are the campaigns' indices there, -1 for a new one."""
        known = rows >= 0
        self._sums[:, known] = old._sums[:, rows[known]]

    def add(self, hour: float, hours: Floats, auctions: Floats, spent: Floats, forecast: Floats) -> None:
        """Add the outcome of the last interval.

        Args:
            hour: current hours since a midnight.
            hours: length of the interval in which each was open, shape `(count,)`.
            auctions: auctions in it, shape `(count,)`.
            spent: spend in it, shape `(count,)`.
            forecast: spend that the landscape predicts at the levels bid, shape `(count,)`.
        """
        now = int(hour) % HOURS
        # Only this hour decays, by what is added to it: an hour without observations for days is not forgotten.
        self._sums[:, :, now] *= 0.5 ** (hours / _MEMORY_DAYS)
        self._sums[:, :, now] += np.stack([hours, auctions, spent, forecast])

    def traffic(self) -> Floats:
        """Return the auctions an hour, averaged over the day, shape `(count,)`."""
        # The mean of the hours' rates, so that an hour observed twice as long does not count twice.
        traffic: Floats = self.profile().traffic.mean(axis=1)
        return traffic

    def profile(self) -> DailyProfile:
        """Return the daily profiles."""
        return DailyProfile.from_sums(*self._sums)
