"""The auction that an exchange holds for one impression: our bids against the market's price."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rtb.openrtb import Loss
from simulation.exchange.protocol import CheckedBid

Kind = Literal["second", "first"]

_TYPICAL_CPM = 0.5  # median of drawn market prices when there is no floor
_SPREAD = 0.5  # standard deviation of their logarithm


@dataclass(frozen=True, slots=True)
class ClearedBid:
    """The outcome of one bid.

    Attributes:
        bid: the bid.
        loss: `Loss.WON`, or why it did not win.
        price_cpm: clearing price, CPM: what the winner pays and the loser lost to.
        min_to_win_cpm: lowest bid that would have won, CPM.
    """

    bid: CheckedBid
    loss: Loss
    price_cpm: float
    min_to_win_cpm: float

    @property
    def won(self) -> bool:
        """Whether the bid won."""
        return self.loss is Loss.WON


def hold(bids: Sequence[CheckedBid], market_cpm: float, floor_cpm: float, kind: Kind) -> list[ClearedBid]:
    """Hold the auction for one impression; at most one bid wins.

    A bid wins when it is our highest, the first of equals, and reaches both the market's price and the floor: a tie
    is ours, as in the iPinYou data. A winner pays the larger of those two, or its own bid in a first-price auction.
    A bid that breaks a rule of the protocol takes no part.

    Args:
        bids: our bids for this impression.
        market_cpm: highest competing price, CPM.
        floor_cpm: floor price, CPM.
        kind: `second` or `first` price.
    """
    to_beat = max(market_cpm, floor_cpm)
    valid = [bid for bid in bids if not bid.broken]
    best = max(valid, key=lambda bid: bid.bid.price, default=None)
    winner = best if best is not None and best.bid.price >= to_beat else None
    price = to_beat
    if winner is not None and kind == "first":
        price = winner.bid.price
    return [_outcome(bid, winner, price, to_beat, floor_cpm) for bid in bids]


def draw_market_price(luck: random.Random, floor_cpm: float) -> float:
    """Draw a market price, CPM, for when none is known: log-normal around the floor or a typical price."""
    middle = max(floor_cpm, _TYPICAL_CPM)
    return middle * math.exp(luck.gauss(0.0, _SPREAD))


def _outcome(
    bid: CheckedBid, winner: CheckedBid | None, price_cpm: float, to_beat_cpm: float, floor_cpm: float
) -> ClearedBid:
    if bid is winner:
        return ClearedBid(bid, Loss.WON, price_cpm, to_beat_cpm)
    least = to_beat_cpm if winner is None else max(to_beat_cpm, winner.bid.price)
    if bid.broken:
        return ClearedBid(bid, _why_refused(bid), price_cpm, least)
    return ClearedBid(bid, Loss.BELOW_FLOOR if bid.bid.price < floor_cpm else Loss.OUTBID, price_cpm, least)


def _why_refused(bid: CheckedBid) -> Loss:
    return Loss.BELOW_FLOOR if bid.broken == ("below_floor",) else Loss.INVALID_RESPONSE
