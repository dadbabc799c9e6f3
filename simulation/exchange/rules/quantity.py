"""Sales of several impressions (`imp.qty`): the notices of their money ask how many were delivered."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.raw import number, obj, text

_ASKED = "${AUCTION_MULTIPLIER}"


def qty(case: BidCase) -> Iterator[str]:
    """Check that the notices of a sale of several impressions have the macro of their number."""
    quantity = number(obj(case.imp.get("qty")).get("multiplier"))
    if quantity is None or quantity == 1.0:
        return
    for name in ("nurl", "burl"):
        url = text(case.bid.get(name))
        if url and _ASKED not in url:
            yield f"{name} has no {_ASKED} for {quantity:g} impressions"
