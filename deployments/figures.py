"""A campaign's figures as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence

from rtb.ledger import Balance

POTS = ("budget", "available", "leased", "reserved", "spent")
MONEY = (*POTS, "moved")
COUNTS = ("bids", "wins", "bills", "losses", "clicks", "conversions", "unfunded", "unpaid")


def figures(balance: Balance) -> dict[str, int]:
    """Return a campaign's money (micros) and counts."""
    money = {f"{name}_micros": getattr(balance, name) for name in MONEY}
    return money | {name: getattr(balance, name) for name in COUNTS}


def totals(balances: Sequence[Balance]) -> dict[str, int]:
    """Return the sums over several campaigns."""
    money = {f"{name}_micros": sum(getattr(balance, name) for balance in balances) for name in POTS}
    return money | {name: sum(getattr(balance, name) for balance in balances) for name in COUNTS}
