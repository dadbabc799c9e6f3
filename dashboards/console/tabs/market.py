"""The market: prices, win rates, shading."""

from __future__ import annotations

import streamlit as st

from dashboards.console import view
from dashboards.console.charts import spreads
from dashboards.console.scene import Scene
from dashboards.console.shaping import market

_NO_LOSSES = "No exchange reported a minimum to win: it comes with loss notices (AUCTION_MIN_TO_WIN)."


def prices(scene: Scene) -> None:
    """Show the bid landscape, and the win rate by price."""
    unit = f"CPM, {scene.sources.configuration.currency}"
    left, right = st.columns(2)
    with left:
        table = market.prices(scene.auctions)
        about = "Bids, charges, and the minimum to win where it was reported."
        view.chart("Bid landscape", about, spreads.landscape(table, unit) if len(table) else None, table)
    with right:
        table = market.win_rate_curve(scene.auctions)
        about = "Win rate by bid price, with 95% intervals."
        drawn = spreads.curve(table, f"bid, {unit}")
        view.chart("Win-rate curve", about, drawn, table, "Too few auctions have ended in this window.")


def bids(scene: Scene) -> None:
    """Show how far bids were shaded, and how far they were from winning."""
    left, right = st.columns(2)
    with left:
        table = market.shading(scene.auctions)
        groups = {str(name): part["part"].to_numpy() for name, part in table.groupby("kind")}
        drawn = spreads.spread(groups, "price as share of worth", share=True) if groups else None
        about = "The bid as a share of the impression's worth by the model. Only first-price bids are shaded."
        view.chart("Shading", about, drawn, table)
    with right:
        table = market.to_win(scene.auctions)
        groups = {str(name): part["multiple"].to_numpy() for name, part in table.groupby("result")}
        drawn = spreads.spread(groups, "least winning bid / our bid")
        about = "The lowest bid that would have won, as a multiple of ours (4: or more). Below 1 we won."
        view.chart("Minimum to win", about, drawn if len(table) else None, table, _NO_LOSSES)


PARTS = (prices, bids)
