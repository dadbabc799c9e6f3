"""Deals: offered by the imp, for an allowed seat and advertiser; no open bid where only deals are sold."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exchange.rules.case import BidCase, is_private
from simulation.exchange.rules.raw import text, texts


def deal(case: BidCase) -> Iterator[str]:
    """Check the terms of private marketplaces."""
    named = text(case.bid.get("dealid"))
    if not named:
        if is_private(case.imp):
            yield "an open bid in a private auction"
        return
    found = case.deal
    if found is None:
        yield f"deal {named!r} is not offered"
        return
    seats = texts(found.get("wseat"))
    if seats and case.seat not in seats:
        yield f"seat {case.seat!r} is not in the wseat of deal {named!r}"
    domains = [name.lower() for name in texts(found.get("wadomain"))]
    if domains and not any(name.lower() in domains for name in texts(case.bid.get("adomain"))):
        yield f"the advertiser is not in the wadomain of deal {named!r}"
