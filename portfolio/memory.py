"""What happened to a campaign: counts of all time, and a memory of the last periods that forgets at a steady rate."""

from __future__ import annotations

import math
from typing import NamedTuple

KEEP = 0.96
"""Weight of a period relative to the one after it: a memory of about 25 periods."""

SPENT = 0.97
"""Part of what might be spent from which on the market is taken to have had enough for it."""

GROWTH = 1.05
"""How much more a market is taken to reach after a period in which it had enough."""


class Counts(NamedTuple):
    """What happened in a span of time. Money in micros: `spend` what it cost, `value` what it was worth."""

    spend: int = 0
    impressions: int = 0
    clicks: int = 0
    conversions: int = 0
    value: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both spans together."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


NO_COUNTS = Counts()
"""Before anything happened."""


class Memory(NamedTuple):
    """Discounted sums over periods, the last with weight 1, the one before with `KEEP`, and so on.

    The last five are what a line through (log spend, log impressions) is fitted from, see `portfolio.response`.

    Attributes:
        spend: micros.
        impressions: as `Counts`, discounted.
        clicks: likewise.
        conversions: likewise.
        value: micros.
        weight: of the periods in which something was bought.
        x: sum of log spend over these, as all below.
        y: of log impressions.
        xx: of squares of log spend.
        xy: of products.
        reach: micros that its market takes in a period, as far as it is known: what was spent when that was less than
            it might, and `GROWTH` more with each period in which it was not.
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
        """The memory one period later.

        Args:
            period: what happened in it.
            offered: micros that might have been spent in it; none: no more than was. A period in which a good part was
                left shows where the market ends, and nothing of how impressions grow with spend.
            keep: weight of what came before, above 0 and at most 1, which forgets nothing.
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
"""Of a campaign that has done nothing yet."""
