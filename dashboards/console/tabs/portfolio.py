"""Portfolios: allocation, and reasons."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboards.console import view
from dashboards.console.charts import bars, lines
from dashboards.console.charts.base import BLUE, GREY
from dashboards.console.scene import Scene, money, percent
from dashboards.console.shaping import portfolio
from dashboards.console.shaping.campaigns import MICRO

_MOST_MOVES = 1_000
_NONE = "There is no portfolio: `POST /portfolio/create` creates one, or the tab Control."


def shown(scene: Scene) -> None:
    """Show one portfolio."""
    names = [one["id"] for one in scene.portfolios()]
    if not names:
        view.empty(_NONE)
        return
    name = st.selectbox("Portfolio", names, key="portfolio", width=320) if len(names) > 1 else names[0]
    told = scene.api.get(f"/portfolio/{name}")
    moves = scene.api.get(f"/portfolio/{name}/history?limit={_MOST_MOVES}")
    _figures(scene, told, len(moves))
    _allocation(scene, told, moves)
    _judged(scene, told)
    _moves(moves)


def _figures(scene: Scene, told: dict[str, object], moves: int) -> None:
    unit, together = scene.sources.configuration.currency, told["figures"]
    assert isinstance(together, dict)
    roi = together["roi"]
    view.metrics(
        [
            ("Strategy", str(told["strategy"]), f"It is {view.quoted(told['status'])}; changed in the tab Control"),
            ("Decisions", f"{told['decisions']:,}", "Since it was created"),
            ("Moves", f"{moves:,}", f"On record, at most the last {_MOST_MOVES:,}"),
            (f"Budgets, {unit}", money(float(str(told["total_micros"]))), "Sum over its campaigns"),
            (f"Spend, {unit}", money(together["spend_micros"]), "By its own figures"),
            ("ROI", "-" if roi is None else percent(roi, 1), "(value - spend) / spend, together"),
        ]
    )


def _allocation(scene: Scene, told: dict[str, object], moves: list[dict[str, object]]) -> None:
    unit = scene.sources.configuration.currency
    table = portfolio.allocation(told, moves, pd.Timestamp(scene.now, unit="s", tz="UTC")) / MICRO
    about = f"Budgets of the campaigns since the first of the last {_MOST_MOVES:,} moves."
    nothing = "No moves yet: the first decision comes two intervals after its creation."
    drawn = lines.steps(table, f"budget, {unit}") if moves else None
    view.chart("Allocation over time", about, drawn, table if moves else table.head(0), nothing)


def _judged(scene: Scene, told: dict[str, object]) -> None:
    table = portfolio.figures(told)
    left, right = st.columns(2)
    with left:
        kept = table[["budget_micros", "spend_micros"]] / MICRO
        kept.columns = ["budget", "spent"]
        drawn = bars.beside(kept, scene.sources.configuration.currency, (GREY, BLUE), shown=",.4~f")
        view.chart("Budget and spend", "Of each campaign, now.", drawn, kept)
    with right:
        known = table[["roi", "roi_low", "roi_high"]].apply(pd.to_numeric).dropna()
        about = "Return on spend with its 95% credible interval; few clicks make it wide."
        drawn = bars.with_intervals(known, "roi", "(value - spend) / spend") if len(known) else None
        view.chart("Return by campaign", about, drawn, known, "No campaign has both spend and clicks yet.")


def _moves(moves: list[dict[str, object]]) -> None:
    table = pd.DataFrame(moves, columns=["at", "source", "target", "micros", "because"]).iloc[::-1]
    table["micros"] = table["micros"] / MICRO
    told = {
        "at": st.column_config.DatetimeColumn("at", format="HH:mm:ss"),
        "micros": st.column_config.NumberColumn("moved", format="%.4f"),
        "because": st.column_config.TextColumn("because", width="large"),
    }
    table["at"] = pd.to_datetime(table["at"], format="ISO8601", utc=True)
    nothing = "No moves yet; they appear here a few seconds after they are made."
    view.listed("Why it moved", "Newest first, units of currency.", table, nothing, column_config=told)


PARTS = (shown,)
