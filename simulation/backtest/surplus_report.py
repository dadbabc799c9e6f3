"""Reports of the surplus comparison: a table in the terminal, a CSV, and a section of the HTML report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from rich.table import Table

from rtb.runtime.terminal import plain
from simulation.backtest import csv_file
from simulation.backtest.report import html_table
from simulation.backtest.surplus import SurplusFigures
from simulation.html_page import COLOURS
from simulation.shading import CLAIRVOYANT

BIDDERS = {
    "truthful": "bids the value",
    "fraction": "a fixed share of the value, the best one of the past",
    "own": "a win rate learned from its own wins and losses",
    "told": "the same, told the minimum to win",
    "formless": "told it too, without assuming a form of the win rate",
    "past": "knows every past price",
    CLAIRVOYANT: "knows every price: pays it wherever it is below the value",
}
"""Descriptions of the bidders."""


def heading(figures: Sequence[SurplusFigures]) -> str:
    """Return the title of the comparison."""
    worth = f"a click is worth {figures[0].factor:g} x the training days' cost per click"
    return f"First-price surplus; {worth}, there is no budget"


def table(figures: Sequence[SurplusFigures]) -> Table:
    """Return the share of the clairvoyant's surplus and the win rate, by campaign and bidder."""
    bidders = list(dict.fromkeys(one.bidder for one in figures))
    shown = Table(title=heading(figures), caption="% of the clairvoyant's surplus, its interval, and % of auctions won")
    for name in ("campaign", *bidders):
        shown.add_column(name, justify="left" if name == "campaign" else "right")
    for campaign in dict.fromkeys(one.campaign for one in figures):
        came = {one.bidder: one for one in figures if one.campaign == campaign}
        shown.add_row(plain(campaign), *(_cell(came[bidder]) for bidder in bidders))
    return shown


def write_csv(path: Path, figures: Sequence[SurplusFigures]) -> None:
    """Write all figures, a line per campaign and bidder; campaign `all` is the sum."""
    csv_file.write_csv(path, SurplusFigures, figures)


def section(figures: Sequence[SurplusFigures]) -> tuple[str, go.Figure]:
    """Return the heading with the table, and a plot, for the report."""
    known = "".join(f"<li>{escape(name)}: {escape(told)}</li>" for name, told in BIDDERS.items())
    html = f"<h2>{escape(heading(figures))}</h2><ul>{known}</ul>{html_table(figures)}"
    return html, _plot(figures)


def _plot(figures: Sequence[SurplusFigures]) -> go.Figure:
    plot = go.Figure()
    bidders = [name for name in dict.fromkeys(one.bidder for one in figures) if name != CLAIRVOYANT]
    for bidder, colour in zip(bidders, COLOURS, strict=False):
        line = [one for one in figures if one.bidder == bidder]
        share = [100 * one.surplus_share for one in line]
        plot.add_trace(go.Bar(x=[one.campaign for one in line], y=share, name=bidder, marker={"color": colour}))
    plot.update_layout(height=420, template="plotly_white", margin={"t": 40, "b": 30}, barmode="group")
    plot.update_yaxes(title_text="% of the clairvoyant's surplus")
    plot.update_xaxes(type="category")
    return plot


def _cell(one: SurplusFigures) -> str:
    lines = [f"{100 * one.surplus_share:.1f}"]
    if one.surplus_share_low is not None and one.surplus_share_high is not None and one.bidder != CLAIRVOYANT:
        lines.append(f"{100 * one.surplus_share_low:.0f}-{100 * one.surplus_share_high:.0f}")
    return "\n".join([*lines, f"{100 * one.win_rate:.0f}"])
