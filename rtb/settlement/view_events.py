"""Addresses of ours in video and audio markup: what a player reports costs nothing, and cannot charge.

They hold the bid's id and no token: nothing is settled or counted by them but the events themselves.
"""

from __future__ import annotations

import re

IMPRESSION, ERROR = "impression", "error"
PROGRESS = ("start", "firstQuartile", "midpoint", "thirdQuartile", "complete")
"""Events of the progress of an ad, as VAST and DAAST name them."""

VIEW_PATH = "/notice/view/"

_EVENTS = frozenset((IMPRESSION, ERROR, *PROGRESS))
_BID_ID = re.compile(r"[0-9a-f]{16}-[0-9a-f]{1,8}", re.ASCII)


def view_url(base: str, bid_id: str, event: str) -> str:
    """Return the address of an event."""
    return f"{base}{VIEW_PATH}{bid_id}?event={event}"


def is_view(bid_id: str, event: str | None) -> bool:
    """Return whether this is an event of a bid of ours, by its form."""
    return event in _EVENTS and _BID_ID.fullmatch(bid_id) is not None
