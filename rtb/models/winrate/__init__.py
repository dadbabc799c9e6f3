"""Win rates: the distribution of market prices, learned from the outcomes of a campaign's own bids.

`evidence` counts outcomes, `loglogistic` fits the curve used for shading, `turnbull` a nonparametric one for
comparison. `following` joins bids and notices from the event stream, and `learner` combines all; these two are imported
by name, so that replicas that only bid need no pyarrow.
"""

from rtb.models.winrate.evidence import Evidence, Verdict
from rtb.models.winrate.market import MARKET_DTYPE, MOST_MARKETS, UNKNOWN, Market, caller_in, market_key, markets_of

__all__ = [
    "MARKET_DTYPE",
    "MOST_MARKETS",
    "UNKNOWN",
    "Evidence",
    "Market",
    "Verdict",
    "caller_in",
    "market_key",
    "markets_of",
]
