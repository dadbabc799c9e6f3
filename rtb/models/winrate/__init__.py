"""Win rates: the distribution of market prices, learned from the outcomes of a campaign's own bids.

`evidence` counts outcomes, `loglogistic` fits the curve used for shading, `turnbull` a nonparametric one for
comparison. `following` joins bids and notices from the event stream, and `learner` combines all; these two are imported
by name, so that replicas that only bid need no pyarrow.
"""

from rtb.models.winrate.evidence import Evidence, PriceEvidence
from rtb.models.winrate.market import (
    MARKET_DTYPE,
    MOST_MARKETS,
    UNKNOWN_MARKET,
    CampaignMarket,
    market_caller,
    market_key,
    market_table,
)

__all__ = [
    "MARKET_DTYPE",
    "MOST_MARKETS",
    "UNKNOWN_MARKET",
    "CampaignMarket",
    "Evidence",
    "PriceEvidence",
    "market_caller",
    "market_key",
    "market_table",
]
