"""The position of a campaign in its budget's time, by counted auctions or by the clock."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Moment(NamedTuple):
    """A moment in the lives of `e` budgets; every field has shape `(e,)`.

    Attributes:
        auctions_left: auctions expected until the budget's end, the next one included; exact where they are counted.
        time_left: remaining part of the time, 0 to 1.
        hour: hours since a midnight; 0 where unknown.
        hours_left: hours until the budget's end; NaN where it ends after a count of auctions.
    """

    auctions_left: Floats
    time_left: Floats
    hour: Floats
    hours_left: Floats


class Clock(NamedTuple):
    """The clocks of `e` campaigns; every field has shape `(e,)` or `(e, n)`.

    A published episode ends after a count of auctions. A flight ends at an hour, and the number of auctions until then
    is forecast from the usual traffic, the same all day.

    Attributes:
        hour: hours since a midnight of each auction, shape `(e, n)`.
        hours: length of the flight; NaN where it ends after `n` auctions.
        traffic: usual auctions an hour.
    """

    hour: Floats
    hours: Floats
    traffic: Floats

    @classmethod
    def counting(cls, hour: Floats) -> Clock:
        """Return the clocks of episodes that end after the last of these auctions."""
        return cls(hour, np.full(len(hour), np.nan), np.ones(len(hour)))

    def at(self, auction: int) -> Moment:
        """Return the moment before an auction, by its index."""
        count = self.hour.shape[1]
        hour = self.hour[:, min(auction, count - 1)]
        left = float(max(count - auction, 0))
        by_clock = np.isfinite(self.hours)
        hours_left = np.where(auction < count, np.maximum(self.hours - (hour - self.hour[:, 0]), 0.0), 0.0)
        return Moment(
            auctions_left=np.where(by_clock, np.maximum(self.traffic * hours_left, 1.0), left),
            time_left=np.where(by_clock, hours_left / self.hours, left / count),
            hour=hour,
            hours_left=np.where(by_clock, hours_left, np.nan),
        )

    def take(self, rows: npt.ArrayLike) -> Clock:
        """Return the clocks of some campaigns, by index; an index may come twice."""
        index = np.asarray(rows, np.intp)
        return Clock(self.hour[index], self.hours[index], self.traffic[index])
