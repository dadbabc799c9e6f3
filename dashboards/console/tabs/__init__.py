"""The tabs, in their order. A tab is a list of parts; each is drawn whatever becomes of the others."""

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
    """One of them.

    Attributes:
        name: as it is shown, and in the URL.
        parts: drawn one after the other.
        refreshes: redrawn by itself; not where somebody types.
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
