"""History of a campaign: totals, and discounted sums over the last periods."""

from __future__ import annotations

import math
from typing import NamedTuple

KEEP = 0.96
"""Weight of a period relative to the one after it: a memory of about 25 periods."""

SPENT = 0.97
"""Share of the offered money above which the market does not count as saturated."""

GROWTH = 1.05
"""Growth of the assumed reach of a market after a period in which it was not saturated."""


class Counts(NamedTuple):
    """The events of a span of time. Money in micros: `spend` is the cost, `value` the worth."""

    spend: int = 0
    impressions: int = 0
    clicks: int = 0
    conversions: int = 0
    value: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return the sum of both spans."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


NO_COUNTS = Counts()
"""Counts before anything happened."""


class Memory(NamedTuple):
    """Discounted sums over periods, the last with weight 1, the one before with `KEEP`, and so on.

    The last five fit a line through (log spend, log impressions), see `portfolio.response`.

    Attributes:
        spend: micros.
        impressions: discounted count.
        clicks: discounted count.
        conversions: discounted count.
        value: micros.
        weight: discounted number of periods in which something was bought.
        x: sum of log spend over these periods, as all below.
        y: sum of log impressions.
        xx: sum of squares of log spend.
        xy: sum of products.
        reach: micros that its market absorbs in a period, as far as known: the spend of a period that left money
            unspent, and `GROWTH` more after each period that did not.
    """

    spend: float = 0.0
    impressions: float = 0.0
    clicks: float = 0.0
    conversions: float = 0.0
    value: float = 0.0
    weight: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    reach: float = math.inf

    def after(self, period: Counts, offered: int | None = None, keep: float = KEEP) -> Memory:
        """Return the memory one period later.

        Args:
            period: what happened in the period.
            offered: micros that could have been spent; none: what was spent. A period that left a good part unspent
                shows where the market ends, and says nothing about how impressions grow with spend.
            keep: weight of earlier periods, above 0 and at most 1, which forgets nothing.
        """
        limited = offered is not None and period.spend < SPENT * offered
        bought = float(period.spend > 0 and period.impressions > 0 and not limited)
        x = math.log(period.spend) if bought else 0.0
        y = math.log(period.impressions) if bought else 0.0
        return Memory(
            keep * self.spend + period.spend,
            keep * self.impressions + period.impressions,
            keep * self.clicks + period.clicks,
            keep * self.conversions + period.conversions,
            keep * self.value + period.value,
            keep * self.weight + bought,
            keep * self.x + x,
            keep * self.y + y,
            keep * self.xx + x * x,
            keep * self.xy + x * y,
            float(period.spend) if limited else GROWTH * max(self.reach, period.spend),
        )


NOTHING = Memory()
"""The memory of a campaign that has done nothing yet."""
