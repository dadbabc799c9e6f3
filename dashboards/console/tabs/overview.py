"""Key figures, and the platform's health."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboards.console import view
from dashboards.console.charts import bars, lines
from dashboards.console.charts.base import AMBER, BLUE, GREEN
from dashboards.console.scene import Scene, milliseconds, money, percent
from dashboards.console.shaping.campaigns import MICRO
from dashboards.console.shaping.kpis import kpis_of

_MOST = 12


def figures(scene: Scene) -> None:
    """Show figures since the platform began to count."""
    found = kpis_of(scene.campaigns, scene.stats["counters"])
    unit, latency = scene.sources.configuration.currency, scene.latency
    view.metrics(
        [
            ("Requests", f"{found.requests:,}", "Bid requests of all exchanges, counted by the platform"),
            ("Answered", percent(found.bid_rate), "Requests answered with a bid"),
            ("Bids", f"{found.bids:,}", "Of the campaigns shown, counted by the ledger"),
            ("Win rate", percent(found.win_rate), "Share of bids that won"),
            ("CTR", percent(found.ctr, 3), "Charged impressions that were clicked"),
            (f"Spend, {unit}", money(found.spent_micros), "Charged, by the ledger"),
            ("ROI", percent(found.roi, 1), "(value of clicks and conversions - spend) / spend"),
            (f"eCPC, {unit}", money(found.ecpc_micros), "Spend per click"),
            ("p50", milliseconds(latency.quantile_ms(0.5)), f"Half of the {latency.what} took no longer"),
            ("p99", milliseconds(latency.quantile_ms(0.99)), f"99% of the {latency.what} took no longer"),
        ]
    )


def health(scene: Scene) -> None:
    """Show the state in one line, and what is wrong."""
    told = scene.api.get("/health")
    parts = {
        name: part["state"] + "".join(f" ({one})" for one in part.get("names", ()))
        for name, part in told["parts"].items()
    }
    unwell = {name: state for name, state in parts.items() if state != "ok"}
    if unwell:
        named = view.quoted(", ".join(f"{name} is {state}" for name, state in unwell.items()))
        status = view.quoted(told["status"])
        st.warning(
            f"The platform is {status}: {named}. Its log says why.",
            icon=":material/warning:",
        )
    else:
        text = f"All is well: {view.quoted(', '.join(parts))}. The ledger syncs {view.quoted(told['durability'])}."
        st.caption(f":material/check_circle: {text} {told['campaigns']} campaigns bid.")


def charts(scene: Scene) -> None:
    """Show recent activity, and spend by campaign."""
    left, right = st.columns([3, 2])
    with left:
        table = scene.whole_steps().reindex(columns=["bids", "wins", "losses"])
        colours = {"bids": BLUE, "wins": GREEN, "losses": AMBER}
        drawn = lines.lines(table, f"in {scene.step:.0f} s", colours=colours)
        view.chart("Bids, wins, losses", "By time of occurrence, from the events.", drawn, table)
    with right:
        spent = scene.campaigns.set_index("id")["spent_micros"].sort_values(ascending=False).head(_MOST) / MICRO
        spent = spent[spent > 0]
        drawn = bars.across(spent, f"spent, {scene.sources.configuration.currency}", shown=",.3~f")
        about = f"The {_MOST} that spent most, by the ledger."
        nothing = "Nothing has been charged yet: bids are charged when an exchange sends their billing notice."
        view.chart("Spend by campaign", about, drawn, pd.DataFrame({"spent": spent}), nothing)


PARTS = (figures, health, charts)
