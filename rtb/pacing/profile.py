"""Daily profiles: a campaign's past traffic and spend by hour, and what they predict for the auctions to come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtb.pacing.landscape import Landscape
from rtb.pacing.moment import Moment

Floats = npt.NDArray[np.float64]

HOURS = 24

PRIOR = 300.0
"""Prior weight, in auctions, of an hour being like every other."""

_WATCHED = 0.1  # prior hours of usual traffic in every hour

_TINY = 1e-12


class DailyProfile:
    """The deviation of spend in each hour of the day from the landscape, for `e` campaigns side by side.

    A feedback loop knows the current hour only. Where later hours are cheaper it pays to wait for them: the level
    should be the one that is right for the whole remaining time.

    Attributes:
        traffic: auctions in each hour of the day, shape `(e, 24)`, above 0.
        factor: spend in that hour over the landscape's at the same level, shape `(e, 24)`.
    """

    def __init__(self, traffic: Floats, factor: Floats) -> None:
        self.traffic, self.factor = traffic, factor

    @classmethod
    def of(cls, pctr: Floats, price: Floats, hour: Floats, landscape: Landscape, level: float) -> DailyProfile:
        """Return the profile of one campaign's past auctions, shape `(n,)` each: one row.

        Args:
            pctr: predicted click rates.
            price: market prices.
            hour: hours since a midnight; all 0 where the log has none, which gives a flat profile.
            landscape: landscape of the same auctions.
            level: money per unit of pCTR at which spend is compared.
        """
        of_day = np.floor(hour).astype(np.int64) % HOURS
        count = np.bincount(of_day, minlength=HOURS).astype(np.float64)
        spent = np.bincount(of_day, np.where(price <= level * pctr, price, 0.0), HOURS).astype(np.float64)
        watched = np.unique(np.floor(hour).astype(np.int64))
        days = np.bincount(watched % HOURS, minlength=HOURS).astype(np.float64)
        expected = count * float(landscape.spend(np.array([level]))[0])
        return cls.from_sums(days[None], count[None], spent[None], expected[None])

    @classmethod
    def from_sums(cls, hours: Floats, auctions: Floats, spent: Floats, forecast: Floats) -> DailyProfile:
        """Return the profiles of sums by hour of the day, shape `(e, 24)` each.

        Args:
            hours: hours observed: 3.0 for three days.
            auctions: number of auctions.
            spent: spend.
            forecast: spend that the landscape predicts at the levels bid.
        """
        seen = auctions.sum(axis=1, keepdims=True)
        prior = PRIOR * forecast.sum(axis=1, keepdims=True) / np.maximum(seen, 1.0) + _TINY
        # An unobserved hour is taken to be as busy as the others.
        usual = np.maximum(seen / np.maximum(hours.sum(axis=1, keepdims=True), _TINY), 1e-3)
        traffic = (auctions + usual * _WATCHED) / (hours + _WATCHED)
        return cls(traffic, (spent + prior) / (forecast + prior))

    @classmethod
    def stack(cls, parts: Sequence[DailyProfile]) -> DailyProfile:
        """Return the profiles of campaigns side by side."""
        return cls(np.concatenate([part.traffic for part in parts]), np.concatenate([part.factor for part in parts]))

    def __len__(self) -> int:
        return len(self.traffic)

    def take(self, rows: npt.ArrayLike) -> DailyProfile:
        """Return the profiles of some campaigns, by index; an index may come twice."""
        index = np.asarray(rows, np.intp)
        return DailyProfile(self.traffic[index], self.factor[index])

    def same_as_now(self, when: Moment) -> Floats:
        """Return the auctions to come as a number of auctions in this hour with the same spend, shape `(e,)`.

        The following hours are summed until the auctions left are used up, or by the clock until the flight ends, with
        the number of auctions from the past.
        """
        start = np.floor(when.hour).astype(np.int64) % HOURS
        turned = (start[:, None] + np.arange(HOURS + 1)) % HOURS
        rows = np.arange(len(start))[:, None]
        # The rest of this hour comes first; its elapsed part returns at the end of the day.
        length = np.ones(turned.shape)
        length[:, HOURS] = when.hour - np.floor(when.hour)
        length[:, 0] -= length[:, HOURS]
        by_clock = np.isfinite(when.hours_left)
        amount = np.where(by_clock[:, None], length, length * self.traffic[rows, turned])
        left = np.where(by_clock, when.hours_left, when.auctions_left)
        day = amount.sum(axis=1)
        whole_days = np.floor(left / day)
        before = np.cumsum(amount, axis=1) - amount
        passed = np.clip((left - whole_days * day)[:, None] - before, 0.0, amount) + whole_days[:, None] * amount
        auctions = np.where(by_clock[:, None], passed * self.traffic[rows, turned], passed)
        same: Floats = (auctions * self.factor[rows, turned]).sum(axis=1) / self.factor[rows[:, 0], start]
        return same
