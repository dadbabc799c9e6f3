"""What a micro spent on a campaign brings in, as far as its memory tells: a Gamma posterior for each campaign.

Clicks or conversions, whichever the campaign pays for, are Poisson at a rate proportional to spend. The prior is the
whole portfolio's return, worth `PRIOR_EVENTS` events: a campaign of which little is known is taken for an average one,
and each event moves it towards what it does itself. One below its `least_spend` is not judged: it has the prior.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from portfolio.snapshot import CampaignState, Snapshot

Floats = npt.NDArray[np.float64]

PRIOR_EVENTS = 2.0
"""Events that the portfolio's average counts for beside a campaign's own."""

_ALONE = 1.0  # return assumed while nothing was spent by anyone: all are alike then


class Returns(NamedTuple):
    """Posteriors of value per spend, `Gamma(shape, rate)`, shape `(n,)` each, in the snapshot's order.

    Attributes:
        shape: of each.
        rate: of each.
        judged: whether a campaign counts by its own figures.
        pooled: value per spend of the portfolio.
    """

    shape: Floats
    rate: Floats
    judged: npt.NDArray[np.bool_]
    pooled: float

    @property
    def mean(self) -> Floats:
        """Expected value per spend."""
        mean: Floats = self.shape / self.rate
        return mean


def returns_of(snapshot: Snapshot) -> Returns:
    """Posteriors of the campaigns."""
    campaigns = snapshot.campaigns
    judged = np.array([is_judged(one) for one in campaigns], np.bool_)
    spend = np.array([one.memory.spend for one in campaigns], np.float64)
    events = np.array([events_of(one) for one in campaigns], np.float64)
    worth = np.array([max(1, one.event_value) for one in campaigns], np.float64)
    pooled = _pooled(spend, events * worth)
    own_events, own_spend = np.where(judged, events, 0.0), np.where(judged, spend, 0.0)
    return Returns(PRIOR_EVENTS + own_events, PRIOR_EVENTS / pooled + own_spend / worth, judged, pooled)


def events_of(one: CampaignState) -> float:
    """Discounted count of what the campaign pays for."""
    return one.memory.clicks if one.event == "click" else one.memory.conversions


def is_judged(one: CampaignState) -> bool:
    """Whether a campaign has spent enough to be judged by its own figures."""
    return one.memory.spend > 0.0 and one.counts.spend >= one.limits.least_spend


def _pooled(spend: Floats, value: Floats) -> float:
    """Value per spend of all together; of campaigns without value yet, what little is certain."""
    if spend.sum() <= 0.0:
        return _ALONE
    return float(max(value.sum(), 1e-9 * spend.sum()) / spend.sum())
