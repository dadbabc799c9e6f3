"""The market: prices, the chance to win, shading."""

from __future__ import annotations

import streamlit as st

from dashboards.console import view
from dashboards.console.charts import spreads
from dashboards.console.scene import Scene
from dashboards.console.shaping import market

_NO_LOSSES = "No exchange said what it would have taken to win: that comes with loss notices (AUCTION_MIN_TO_WIN)."


def prices(scene: Scene) -> None:
    """The landscape, and what a price wins."""
    unit = f"CPM, {scene.configuration.currency}"
    left, right = st.columns(2)
    with left:
        table = market.prices(scene.auctions)
        about = "What was bid, what winners paid, and what it would have taken to win, where that was said."
        view.chart("Bid landscape", about, spreads.landscape(table, unit) if len(table) else None, table)
    with right:
        table = market.win_rate_curve(scene.auctions)
        about = "Auctions won by the price that was bid, with 95% intervals."
        drawn = spreads.curve(table, f"bid, {unit}")
        view.chart("Win-rate curve", about, drawn, table, "Too few auctions have ended in this window.")


def bids(scene: Scene) -> None:
    """What was kept back, and how far bids were from winning."""
    left, right = st.columns(2)
    with left:
        table = market.shading(scene.auctions)
        groups = {str(name): part["part"].to_numpy() for name, part in table.groupby("kind")}
        drawn = spreads.spread(groups, "price of worth", share=True) if groups else None
        about = "What was bid of what the impression was worth by the model. Only first prices are shaded."
        view.chart("Shading", about, drawn, table)
    with right:
        table = market.to_win(scene.auctions)
        groups = {str(name): part["multiple"].to_numpy() for name, part in table.groupby("result")}
        drawn = spreads.spread(groups, "least winning bid / our bid")
        about = "The least bid that would have won, as a multiple of ours (4: or more). Below 1 the auction was ours."
        view.chart("Minimum to win", about, drawn if len(table) else None, table, _NO_LOSSES)


PARTS = (prices, bids)
