"""Reach: devices, countries, formats, exchanges, hours."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboards.console import view
from dashboards.console.charts import bars
from dashboards.console.charts.base import BLUE, GREEN
from dashboards.console.scene import Scene
from dashboards.console.shaping import market
from dashboards.console.shaping.auctions import buckets_of
from dashboards.console.shaping.kpis import by_exchange, unnoticed
from dashboards.console.shaping.names import names_of

_MOST = 12


def people(scene: Scene) -> None:
    """Show results by device and country."""
    left, right = st.columns(2)
    with left:
        _by(scene, "devicetype", "Devices", "win_rate", "win rate")
    with right:
        _by(scene, "country", "Countries", "win_rate", "win rate")


def places(scene: Scene) -> None:
    """Show results by format and inventory."""
    left, right = st.columns(2)
    with left:
        _by(scene, "format", "Formats", "win_rate", "win rate")
    with right:
        _by(scene, "inventory", "Inventory", "ctr", "CTR")


def exchanges(scene: Scene) -> None:
    """Show results by exchange and campaign."""
    left, right = st.columns(2)
    with left:
        table = by_exchange(scene.stats["counters"]).rename(columns={"bid_responses": "answered with a bid"})
        drawn = bars.beside(table, "requests", (BLUE, GREEN), shown=",.0f")
        about = "By profile, since the platform began to count."
        view.chart("Exchanges", about, drawn, table, "No exchange has sent a request yet.")
        for name, wrong in unnoticed(scene.stats["counters"]).items():
            st.warning(f"Bids of {view.quoted(name)} are {wrong}: see the runbook of that name.")
    with right:
        table = market.summed(scene.auctions, scene.auctions["campaign"]).head(_MOST)
        drawn = bars.volume_and_rate(table, "win_rate", "win rate") if len(table) else None
        view.chart("Campaigns", "Bids in this window, and the win rate of finished auctions.", drawn, table)


def _by(scene: Scene, field: str, title: str, rate: str, about: str) -> None:
    table = market.by_name(scene.auctions, buckets_of(scene.events, field), names_of(field))
    table.index.name = field
    told = f"Bids in this window by the model's input, and their {about}."
    drawn = bars.volume_and_rate(table.head(_MOST), rate, about) if len(table) else None
    view.chart(title, told, drawn, table if len(table) else pd.DataFrame())


PARTS = (people, places, exchanges)
