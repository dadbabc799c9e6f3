"""The tabs, in order. A tab is a list of parts; each is drawn even if others fail."""

from __future__ import annotations

from typing import NamedTuple

from dashboards.console.tabs import (
    auctions,
    control,
    latency,
    market,
    models,
    money,
    overview,
    performance,
    portfolio,
    targeting,
)
from dashboards.console.view import Draw


class Tab(NamedTuple):
    """A tab.

    Attributes:
        name: name on the page, and in the URL.
        parts: functions that draw it, in order.
        refreshes: whether it is redrawn by itself; not while somebody types.
    """

    name: str
    parts: tuple[Draw, ...]
    refreshes: bool = True


TABS = (
    Tab("Overview", overview.PARTS),
    Tab("Performance", performance.PARTS),
    Tab("Money", money.PARTS),
    Tab("Latency", latency.PARTS),
    Tab("Market", market.PARTS),
    Tab("Targeting", targeting.PARTS),
    Tab("Models", models.PARTS),
    Tab("Portfolio", portfolio.PARTS),
    Tab("Auctions", auctions.PARTS),
    Tab("Control", control.PARTS, refreshes=False),
)
