"""Macros that an exchange fills in: valid ones only, and present where needed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from simulation.exchange.macros import NAMES
from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.raw import text

_ANY = re.compile(r"\$\{([^}]*)\}?|%24%7[Bb]")
_OURS = re.compile(r"\{[a-z]+_[a-z_]+\}")
"""A placeholder of the bidder's own templates, such as `{click_url}`."""

_NEEDED = {"burl": "AUCTION_PRICE", "nurl": "AUCTION_PRICE", "lurl": "AUCTION_LOSS"}


def macro(case: BidCase) -> Iterator[str]:
    """Check that notice URLs have the macros they need, and none that no exchange would fill in."""
    for name, needed in _NEEDED.items():
        url = text(case.bid.get(name))
        if url and f"${{{needed}" not in url:
            yield f"{name} has no ${{{needed}}}"
    for name in (*_NEEDED, "adm"):
        yield from _odd(name, text(case.bid.get(name)))


def _odd(name: str, value: str) -> Iterator[str]:
    for match in _ANY.finditer(value):
        inner = match[1]
        if inner is None:
            yield f"{name} has a percent-encoded macro"
        elif not match[0].endswith("}") or inner.removesuffix(":B64") not in NAMES:
            yield f"{name} has {match[0][:40]}, which no exchange fills in"
    for match in _OURS.finditer(value):
        yield f"{name} has {match[0]} left in it"
