"""Explanation of a bid: the platform's, else what the bid's event tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboards.console import view
from dashboards.console.charts import bars
from dashboards.console.charts.base import AMBER
from dashboards.console.scene import Scene, percent
from dashboards.console.shaping.market import CPM
from dashboards.console.shaping.why import (
    Steps,
    candidates_of,
    dropped_of,
    facts_of,
    flat,
    ladder_of,
    steps_of,
    steps_told,
)
from dashboards.console.sources.api import ApiError

_REFUSED = (404, 409)
"""Statuses with which the platform has no explanation, or cannot recompute it; its message says why and what to do."""

_DROPPED = 12
_NONE_DROPPED = "Every active campaign was a candidate."


def why(scene: Scene) -> None:
    """Explain one bid, step by step."""
    bids = scene.auctions
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = st.text_input("Bid", key="bid", bind="query-params", placeholder="bid id; empty: the newest")
    if bids.empty and not asked:
        view.empty(view.WAIT_FOR_BIDS)
        return
    bid_id = asked.strip() if asked else str(bids["bid"].iloc[-1])
    try:
        told = scene.api.get(f"/explain/{quote(bid_id, safe='')}")
    except ApiError as error:
        if error.status not in _REFUSED:
            raise
        st.caption(f":material/info: {view.quoted(error)} Showing what the bid's event says.")
        _of_event(scene, bid_id, bids[bids["bid"] == bid_id])
        return
    _head(told)
    left, right = st.columns(2)
    with left:
        _waterfall(scene, steps_told(told["price"]), told["price"]["floor_micros"], _outcome(told))
    with right:
        about = "From its worth to the price sent, recomputed from the record. 1,000 micros are 1 CPM."
        amount = {"micros": st.column_config.NumberColumn("micros", format="localized")}
        view.listed("Step by step", about, ladder_of(told["price"]), "", column_config=amount, placeholder="")
    _others(told)
    _facts(told)


def _head(told: Mapping[str, Any]) -> None:
    sent = told["price"]["sent"]
    named = view.quoted(f"{told['bid_id']} of {told['campaign']}, at {told['at']}")
    view.metrics(
        [
            ("Bid, micros", f"{told['price_micros']:,}", named),
            ("Recomputed", f"{told['recomputed_micros']:,}", "From the record, by the code that bids"),
            ("Equal", "yes" if told["equal"] else "no", "To the micro-unit"),
            ("Sent, CPM", str(sent["cpm"]), f"In {view.quoted(sent['currency'])}, as sent to the exchange"),
            ("Candidates", f"{len(told['candidates']):,}", "Creatives that could have been shown"),
            ("Excluded", f"{told['dropped']['campaigns']:,}", "Campaigns that were not candidates"),
        ]
    )


def _outcome(told: Mapping[str, Any]) -> str:
    notices = ", ".join(f"{one['kind']} {one['outcome'] or ''}".strip() for one in told["outcome"])
    bid = view.quoted(f"{told['bid_id']} of {told['campaign']}")
    return f"Bid {bid}. Notices so far: {view.quoted(notices) or 'none'}."


def _others(told: Mapping[str, Any]) -> None:
    """Show the outcomes of the other campaigns."""
    left, right = st.columns([3, 2])
    with left:
        about = "Creatives that could have been shown, those that came furthest first."
        shown = candidates_of(told).assign(pctr=lambda table: 100 * table["pctr"])
        told_of: dict[str, Any] = {name: _column(name) for name in shown.columns if name.endswith("_micros")}
        told_of["pctr"] = st.column_config.NumberColumn("pCTR", format="%.3f%%")
        view.listed("Candidates", about, shown, "", column_config=told_of, placeholder="-")
    with right:
        dropped = dropped_of(told)
        drawn = bars.across(dropped.head(_DROPPED), "campaigns", shown=",.0f") if len(dropped) else None
        about = "Why other campaigns were not candidates; one may fail several tests."
        view.chart("Excluded", about, drawn, pd.DataFrame({"campaigns": dropped}), _NONE_DROPPED)


def _column(name: str) -> Any:
    spoken = name.removesuffix("_micros").replace("_", " ")
    return st.column_config.NumberColumn(spoken, format="localized", help="micros")


def _facts(told: Mapping[str, Any]) -> None:
    left, right = st.columns(2)
    with left:
        about = "The model's input: each field with its value and bucket."
        view.listed("Features", about, flat(told["features"]).astype(str), "")
    with right:
        view.listed("Offer, versions, lease", "The offer, the deciding versions, the paying lease.", facts_of(told), "")


def _of_event(scene: Scene, bid_id: str, found: pd.DataFrame) -> None:
    if found.empty:
        view.empty(f"Bid {view.quoted(bid_id)} is not in this window: choose a longer one, or leave the field empty.")
        return
    bid = found.iloc[-1].to_dict()
    campaign = scene.campaigns.loc[bid["campaign"]]
    worth = float(campaign["worth"]) if campaign["goal"] == "click" else math.nan
    paid = f", paid {bid['cost_micros'] * CPM:,.3f}" if bid["cost_micros"] else ""
    about = (
        f"Bid {bid_id} of {bid['campaign']}: {bid['result']}{paid}. pCTR {percent(bid['pctr'], 3)}, multiplier "
        f"{bid['multiplier']:.3f}."
    )
    if not math.isfinite(worth):
        about += " It pays for conversions, whose probability is in no event: only the price is shown."
    _waterfall(scene, steps_of(bid, worth), bid["floor_micros"], about, bid["price_micros"] * CPM)


def _waterfall(scene: Scene, steps: Steps, floor_micros: float, about: str, price: float | None = None) -> None:
    whole = sum(steps.amounts) if price is None else price
    texts = [f"{amount:,.3f}" for amount in steps.amounts]
    texts[-1] = f"{whole:,.3f}"
    drawn: go.Figure = bars.waterfall(
        steps.names, steps.amounts, steps.kinds, texts, f"CPM, {scene.sources.configuration.currency}"
    )
    if floor_micros > 0:
        line = {"color": AMBER, "dash": "dash", "width": 1.5}
        drawn.add_hline(y=floor_micros * CPM, line=line, annotation_text="floor")
    view.chart("Why this price", about, drawn, pd.DataFrame({"step": steps.names, "cpm": steps.amounts}))
