"""A campaign's figures as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rtb.ledger import Balance

POTS = ("budget", "available", "leased", "reserved", "spent")
COUNTS = ("bids", "wins", "bills", "losses", "clicks", "conversions", "unfunded", "unpaid")


class CampaignFigures(msgspec.Struct, frozen=True):
    """Where a campaign's money is, in micros, and what the ledger counted.

    Attributes:
        moved_micros: part of the budget that came from other campaigns; below 0 where more went to others.
        unfunded: notices of bids whose money was gone.
        unpaid: clicks and conversions of bids that were not paid.
    """

    budget_micros: int
    available_micros: int
    leased_micros: int
    reserved_micros: int
    spent_micros: int
    moved_micros: int
    bids: int
    wins: int
    bills: int
    losses: int
    clicks: int
    conversions: int
    unfunded: int
    unpaid: int


def figures(balance: Balance) -> CampaignFigures:
    """Return a campaign's figures."""
    money = (getattr(balance, name) for name in (*POTS, "moved"))
    return CampaignFigures(*money, *(getattr(balance, name) for name in COUNTS))


def totals(balances: Sequence[Balance]) -> dict[str, int]:
    """Return money (micros, by `<pot>_micros`) and counts over several campaigns."""
    money = {f"{name}_micros": sum(getattr(balance, name) for balance in balances) for name in POTS}
    return money | {name: sum(getattr(balance, name) for balance in balances) for name in COUNTS}
