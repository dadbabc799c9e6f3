"""Money of the campaigns, and its plan."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboards.console import view
from dashboards.console.charts import bars, lines
from dashboards.console.charts.base import AMBER, BLUE, GREEN, GREY
from dashboards.console.scene import Scene, money, percent
from dashboards.console.shaping.campaigns import MICRO
from dashboards.console.shaping.kpis import kpis_of, ratio
from dashboards.console.shaping.money import pacing_curve

_MOST = 12
_GAUGES = 4
_NO_CAMPAIGNS = "There is no campaign with figures: create one in the tab Control."


def figures(scene: Scene) -> None:
    """Show the sums."""
    table, unit = scene.campaigns, scene.sources.configuration.currency
    found = kpis_of(table, scene.stats["counters"])
    budget, due = float(table["budget_micros"].sum()), float(table["due_micros"].sum())
    view.metrics(
        [
            (f"Budget, {unit}", money(budget), "Of the campaigns shown"),
            (f"Spent, {unit}", money(found.spent_micros), "Charged, by the ledger"),
            ("Budget spent", percent(ratio(found.spent_micros, budget), 3), "The rest is available or held"),
            ("Against plan", percent(ratio(found.spent_micros, due), 1), "Spend relative to an even pace"),
            (f"Value, {unit}", money(found.value_micros), "Value of clicks and conversions to advertisers"),
            (f"eCPM, {unit}", money(found.ecpm_micros), "Spend per thousand impressions"),
            (f"eCPC, {unit}", money(found.ecpc_micros), "Spend per click"),
        ]
    )


def pace(scene: Scene) -> None:
    """Show the pacing curve, and gauges of the budgets."""
    unit, table = scene.sources.configuration.currency, scene.campaigns
    left, right = st.columns([3, 2])
    with left:
        curve = pacing_curve(table, scene.over_time) / MICRO
        about = "Spend in this window, ending at the ledger's figure, and an even pace over each flight."
        view.chart("Pacing curve", about, lines.plan(curve, f"spent, {unit}"), curve)
    with right:
        top = table.sort_values("spent_micros", ascending=False).head(_GAUGES)
        spent = {one.id: ratio(one.spent_micros, one.budget_micros) for one in top.itertuples()}
        marks = {one.id: ratio(one.due_micros, one.budget_micros) for one in top.itertuples()}
        drawn = bars.gauges(spent, marks) if spent else None
        shown = pd.DataFrame({"spent": spent, "even pace": marks})
        about = "Share of the budget spent; the line is an even pace. The four campaigns that spent most."
        view.chart("Budget gauges", about, drawn, shown, _NO_CAMPAIGNS)


def plan(scene: Scene) -> None:
    """Show spend and plan, and the ledger's pots, by campaign."""
    unit = scene.sources.configuration.currency
    table = scene.campaigns.set_index("id").sort_values("spent_micros", ascending=False).head(_MOST)
    left, right = st.columns(2)
    with left:
        shown = pd.DataFrame({"spent": table["spent_micros"] / MICRO, "even pace": table["due_micros"] / MICRO})
        drawn = bars.beside(shown, unit, (BLUE, GREY), shown=",.4~f")
        view.chart("Spend against plan", "The twelve campaigns that spent most.", drawn, shown, _NO_CAMPAIGNS)
    with right:
        pots = ("spent", "reserved", "leased", "available")
        shown = pd.DataFrame({pot: table[f"{pot}_micros"] / MICRO for pot in pots})
        about = "Budget = spent + reserved for bids + leased to replicas + available."
        view.chart(
            "Where the money is", about, bars.stacked(shown, unit, (BLUE, AMBER, GREEN, GREY)), shown, _NO_CAMPAIGNS
        )


def value(scene: Scene) -> None:
    """Show the value that the money brought in."""
    unit = scene.sources.configuration.currency
    table = scene.campaigns.set_index("id").sort_values("value_micros", ascending=False).head(_MOST)
    table = table[(table["value_micros"] > 0) | (table["spent_micros"] > 0)]
    left, right = st.columns(2)
    with left:
        shown = pd.DataFrame({"value": table["value_micros"] / MICRO, "spend": table["spent_micros"] / MICRO})
        about = "Value of clicks and conversions to the advertiser, and their cost."
        drawn = bars.beside(shown, unit, (GREEN, BLUE), shown=",.4~f")
        view.chart("Value and spend", about, drawn, shown, "Nothing has been charged yet.")
    with right:
        clicked = table[table["clicks"] > 0]
        cost = (clicked["spent_micros"] / clicked["clicks"] / MICRO).sort_values()
        drawn = bars.across(cost, f"{unit} per click", shown=",.3~f")
        about = "Effective cost per click, the cheapest first."
        view.chart("eCPC by campaign", about, drawn, pd.DataFrame({"ecpc": cost}), "No clicks yet.")


PARTS = (figures, pace, plan, value)
