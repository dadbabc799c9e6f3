"""Performance over time, and reasons for no bid."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboards.console import view
from dashboards.console.charts import bars, lines
from dashboards.console.charts.base import AMBER, BLUE, GREEN, PINK
from dashboards.console.scene import Scene
from dashboards.console.shaping.campaigns import MICRO
from dashboards.console.shaping.kpis import by_first
from dashboards.console.sources.prometheus import over_time
from dashboards.console.sources.samples import rates

_ASKED = {
    "requests": "sum(rate(raybid_requests_total[1m]))",
    "answered with a bid": "sum(rate(raybid_bid_responses_total[1m]))",
}


def rate(scene: Scene) -> None:
    """Show requests per second, from Prometheus if configured, else from this console's samples."""
    _ = scene.stats
    names = {"requests": "requests", "bid_responses": "answered with a bid"}
    if scene.sources.configuration.prometheus:
        told = {
            name: over_time(scene.sources.configuration.prometheus, query, scene.filters.window)
            for name, query in _ASKED.items()
        }
        table, about = pd.DataFrame(told), "From Prometheus."
    else:
        table = rates(scene.samples, names)
        about = "Since this console was opened; set RAYBID_PROMETHEUS_URL to see earlier ones."
    drawn = lines.lines(table, "per second", colours={"requests": BLUE, "answered with a bid": GREEN})
    wait = f"A rate needs two samples of the counters: the next one is in {scene.filters.refresh} s."
    view.chart("Requests a second", about, drawn, table, wait)


def outcomes(scene: Scene) -> None:
    """Show rates over time."""
    table = scene.whole_steps()
    ended = table.reindex(columns=["wins", "losses"]).sum(axis=1)
    won = pd.DataFrame({"win rate": table.get("wins", pd.Series(dtype=float)) / ended.where(ended > 0)})
    left, right = st.columns(2)
    with left:
        drawn = lines.lines(won, "of auctions that ended", share=True, colours={"win rate": GREEN})
        view.chart("Win rate over time", "Wins as a share of reported wins and losses.", drawn, won)
    with right:
        rolled = table.reindex(columns=["clicks", "impressions"]).cumsum()
        ctr = pd.DataFrame({"CTR": rolled["clicks"] / rolled["impressions"].where(rolled["impressions"] > 0)})
        drawn = lines.lines(ctr, "of impressions", share=True, colours={"CTR": PINK})
        view.chart("CTR over time", "Clicks per impression since the window began; few clicks: noisy.", drawn, ctr)


def spend(scene: Scene) -> None:
    """Show spend over time, and reasons for no bid."""
    left, right = st.columns(2)
    unit = scene.sources.configuration.currency
    with left:
        table = pd.DataFrame({"spend": scene.whole_steps().get("spent_micros", pd.Series(dtype=float)) / MICRO})
        drawn = lines.lines(table, f"{unit} in {scene.step:.0f} s", colours={"spend": AMBER})
        view.chart("Spend over time", "Charges, by arrival of their notice.", drawn, table)
    with right:
        counters = scene.stats["counters"]
        why = pd.concat([by_first(counters, name) for name in ("no_bid", "invalid", "shed")]).sort_values(
            ascending=False
        )
        drawn = bars.across(why, "requests", shown=",.0f")
        view.chart(
            "Requests without a bid",
            "By reason, since the platform began to count.",
            drawn,
            pd.DataFrame({"requests": why}),
            "No request went without a bid yet.",
        )


PARTS = (rate, outcomes, spend)
