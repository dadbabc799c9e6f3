"""Return on spend of each campaign, as far as its memory tells: a Gamma posterior each.

Clicks or conversions, whichever the campaign pays for, are Poisson at a rate proportional to spend. The prior is the
portfolio's return, worth `PRIOR_EVENTS` events: a campaign of which little is known counts as an average one, and each
event moves it towards its own return. Below its `least_spend` a campaign is not judged: it has the prior.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from portfolio.snapshot import CampaignState, Snapshot

Floats = npt.NDArray[np.float64]

PRIOR_EVENTS = 2.0
"""Events that the portfolio's average counts for, added to a campaign's own."""

_ALONE = 1.0  # return assumed while nobody has spent anything: all are alike then


class Returns(NamedTuple):
    """Posteriors of value per spend, `Gamma(shape, rate)`, shape `(n,)` each, in the snapshot's order.

    Attributes:
        shape: shape parameter of each.
        rate: rate parameter of each.
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
    """Return the posteriors of the campaigns."""
    campaigns = snapshot.campaigns
    judged = np.array([is_judged(one) for one in campaigns], np.bool_)
    spend = np.array([one.memory.spend for one in campaigns], np.float64)
    events = np.array([events_of(one) for one in campaigns], np.float64)
    worth = np.array([max(1, one.event_value) for one in campaigns], np.float64)
    pooled = _pooled(spend, events * worth)
    own_events, own_spend = np.where(judged, events, 0.0), np.where(judged, spend, 0.0)
    return Returns(PRIOR_EVENTS + own_events, PRIOR_EVENTS / pooled + own_spend / worth, judged, pooled)


def events_of(one: CampaignState) -> float:
    """Return the discounted count of what the campaign pays for."""
    return one.memory.clicks if one.event == "click" else one.memory.conversions


def is_judged(one: CampaignState) -> bool:
    """Return whether a campaign has spent enough to be judged by its own figures."""
    return one.memory.spend > 0.0 and one.counts.spend >= one.limits.least_spend


def _pooled(spend: Floats, value: Floats) -> float:
    """Return the value per spend of all together; at least a tiny one while there is no value yet."""
    if spend.sum() <= 0.0:
        return _ALONE
    return float(max(value.sum(), 1e-9 * spend.sum()) / spend.sum())
