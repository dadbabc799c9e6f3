"""Where the money is, beside what was planned."""

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
    """Sums."""
    table, unit = scene.campaigns, scene.configuration.currency
    found = kpis_of(table, scene.stats["counters"])
    budget, due = float(table["budget_micros"].sum()), float(table["due_micros"].sum())
    view.metrics(
        [
            (f"Budget, {unit}", money(budget), "Of the campaigns shown"),
            (f"Spent, {unit}", money(found.spent_micros), "Charged, as the ledger has it"),
            ("Budget spent", percent(ratio(found.spent_micros, budget), 3), "The rest is available or held"),
            ("Against plan", percent(ratio(found.spent_micros, due), 1), "Spend by what an even pace would have spent"),
            (f"Value, {unit}", money(found.value_micros), "What clicks and conversions are worth to advertisers"),
            (f"eCPM, {unit}", money(found.ecpm_micros), "Spend a thousand impressions"),
            (f"eCPC, {unit}", money(found.ecpc_micros), "Spend a click"),
        ]
    )


def pace(scene: Scene) -> None:
    """The pacing curve, and how far each budget is."""
    unit, table = scene.configuration.currency, scene.campaigns
    left, right = st.columns([3, 2])
    with left:
        curve = pacing_curve(table, scene.over_time) / MICRO
        about = "Spend in this window, ending at the ledger's figure, beside an even pace over each flight."
        view.chart("Pacing curve", about, lines.plan(curve, f"spent, {unit}"), curve)
    with right:
        top = table.sort_values("spent_micros", ascending=False).head(_GAUGES)
        spent = {one.id: ratio(one.spent_micros, one.budget_micros) for one in top.itertuples()}
        marks = {one.id: ratio(one.due_micros, one.budget_micros) for one in top.itertuples()}
        drawn = bars.gauges(spent, marks) if spent else None
        shown = pd.DataFrame({"spent": spent, "even pace": marks})
        about = "Spent of the budget; the line is an even pace. The four that spent most."
        view.chart("Budget gauges", about, drawn, shown, _NO_CAMPAIGNS)


def plan(scene: Scene) -> None:
    """By campaign: spend and plan, and the ledger's pots."""
    unit = scene.configuration.currency
    table = scene.campaigns.set_index("id").sort_values("spent_micros", ascending=False).head(_MOST)
    left, right = st.columns(2)
    with left:
        shown = pd.DataFrame({"spent": table["spent_micros"] / MICRO, "even pace": table["due_micros"] / MICRO})
        drawn = bars.beside(shown, unit, (BLUE, GREY), shown=",.4~f")
        view.chart("Spend against plan", "The twelve that spent most.", drawn, shown, _NO_CAMPAIGNS)
    with right:
        pots = ("spent", "reserved", "leased", "available")
        shown = pd.DataFrame({pot: table[f"{pot}_micros"] / MICRO for pot in pots})
        about = "Budget = spent + reserved for bids + leased to replicas + available."
        view.chart(
            "Where the money is", about, bars.stacked(shown, unit, (BLUE, AMBER, GREEN, GREY)), shown, _NO_CAMPAIGNS
        )


def value(scene: Scene) -> None:
    """What the money brought in."""
    unit = scene.configuration.currency
    table = scene.campaigns.set_index("id").sort_values("value_micros", ascending=False).head(_MOST)
    table = table[(table["value_micros"] > 0) | (table["spent_micros"] > 0)]
    left, right = st.columns(2)
    with left:
        shown = pd.DataFrame({"value": table["value_micros"] / MICRO, "spend": table["spent_micros"] / MICRO})
        about = "What clicks and conversions are worth to the advertiser, beside what they cost."
        drawn = bars.beside(shown, unit, (GREEN, BLUE), shown=",.4~f")
        view.chart("Value and spend", about, drawn, shown, "Nothing was charged yet.")
    with right:
        clicked = table[table["clicks"] > 0]
        cost = (clicked["spent_micros"] / clicked["clicks"] / MICRO).sort_values()
        drawn = bars.across(cost, f"{unit} a click", shown=",.3~f")
        about = "Effective cost of a click, the cheapest first."
        view.chart("eCPC by campaign", about, drawn, pd.DataFrame({"ecpc": cost}), "No click was told of yet.")


PARTS = (figures, pace, plan, value)
