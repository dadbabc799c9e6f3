"""How likely a bid is to win: the market price's distribution, learned from what came of a campaign's own bids.

`evidence` keeps what bids said, `loglogistic` fits the curve that is bid by, `turnbull` one without a form, for
comparison. `following` joins bids and notices as they come out of the event stream, and `learner` puts all together;
these two are imported by name: replicas that only bid do without pyarrow.
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
