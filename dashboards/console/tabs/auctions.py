"""Recent auctions, why one was bid as it was, and the top creatives."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboards.console import view
from dashboards.console.charts import bars
from dashboards.console.scene import Scene
from dashboards.console.shaping import market
from dashboards.console.shaping.market import CPM
from dashboards.console.tabs.explaining import why

_RECENT = 200
_TABLE = "table-recent-auctions"
_CREATIVES = 15


def recent(scene: Scene) -> None:
    """Show the latest auctions; a selected row is explained below."""
    results = st.pills(
        "Result", ["won", "lost", "open"], selection_mode="multi", key="results", label_visibility="collapsed"
    )
    bids = scene.auctions
    bids = bids[bids["result"].isin(results)] if results else bids
    bids = bids.tail(_RECENT).iloc[::-1].reset_index(drop=True)
    st.session_state["_recent"] = bids["bid"].tolist()
    unit = f"CPM, {scene.sources.configuration.currency}"
    shown = pd.DataFrame(
        {
            "at": bids["at"],
            "campaign": bids["campaign"],
            "result": bids["result"],
            "bid": bids["price_micros"] * CPM,
            "floor": bids["floor_micros"] * CPM,
            "to win": bids["min_to_win_micros"] * CPM,
            "paid": (bids["cost_micros"] * CPM).where(bids["cost_micros"] > 0),
            "pCTR": 100 * bids["pctr"],
            "multiplier": bids["multiplier"],
            "auction": bids["first_price"].map({True: "first price", False: "second price"}),
            "clicks": bids["clicks"],
            "creative": bids["creative"],
            "id": bids["bid"],
        }
    )
    told: dict[str, Any] = {"at": st.column_config.DatetimeColumn("at", format="HH:mm:ss.SSS")}
    for name in ("bid", "floor", "to win", "paid"):
        told[name] = st.column_config.NumberColumn(name, format="%.3f", help=unit)
    told["pCTR"] = st.column_config.NumberColumn("pCTR", format="%.3f%%")
    told["multiplier"] = st.column_config.NumberColumn("multiplier", format="%.3f")
    about = f"The last {_RECENT} in this window, prices in {unit}. Select a row to see why it was bid."
    how = {
        "column_config": told,
        "on_select": _chosen,
        "selection_mode": "single-row",
        "height": 320,
        "placeholder": "-",
    }
    view.listed("Recent auctions", about, shown, view.WAIT_FOR_BIDS, **how)


def creatives(scene: Scene) -> None:
    """Show the creatives with the most bids."""
    table = market.summed(scene.auctions, scene.auctions["creative"]).head(_CREATIVES).reset_index()
    shown = pd.DataFrame(
        {
            "creative": table["creative"],
            "bids": table["bids"],
            "wins": table["wins"],
            "win rate": 100 * table["win_rate"],
            "clicks": table["clicks"],
            "CTR": 100 * table["ctr"],
            "spend": table["spent_micros"] / 1e6,
            "eCPC": table["ecpc_micros"] / 1e6,
        }
    )
    rate = st.column_config.NumberColumn(format="%.2f%%")
    amount = st.column_config.NumberColumn(format="%.4f", help=scene.sources.configuration.currency)
    told = {"win rate": rate, "CTR": rate, "spend": amount, "eCPC": amount}
    left, right = st.columns([3, 2])
    with left:
        about = f"In this window, the {_CREATIVES} with the most bids."
        view.listed("Top creatives", about, shown, view.WAIT_FOR_BIDS, column_config=told, placeholder="-")
    with right:
        wins = table.set_index("creative")["wins"].sort_values(ascending=False).head(10)
        drawn = bars.across(wins, "impressions won", shown=",.0f")
        view.chart("Wins by creative", "The ten with the most wins.", drawn, pd.DataFrame({"wins": wins}))


def _chosen() -> None:
    """Put the selected row's id into the field, and so into the URL."""
    rows = st.session_state[_TABLE]["selection"]["rows"]
    known = st.session_state.get("_recent", [])
    if rows and rows[0] < len(known):
        st.session_state["bid"] = known[rows[0]]


PARTS = (recent, why, creatives)
