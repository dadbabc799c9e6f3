"""Charts over time."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from dashboards.console.charts.base import COLOURS, GREY, figure


def lines(
    table: pd.DataFrame, y: str, *, unit: str = "", share: bool = False, colours: Mapping[str, str] | None = None
) -> go.Figure:
    """Draw a line per column, over the index.

    Args:
        table: values by time.
        y: title of the axis.
        unit: unit after each value.
        share: whether values are shares of 1, shown as percent.
        colours: colours of some columns.
    """
    made = figure("", y, hovermode="x unified")
    shown = "%{y:.2%}" if share else "%{y:,.4~g}" + unit
    for number, name in enumerate(table.columns):
        colour = (colours or {}).get(name, COLOURS[number % len(COLOURS)])
        mode = "lines+markers" if len(table) < 30 else "lines"
        made.add_scatter(
            x=table.index,
            y=table[name],
            name=name,
            mode=mode,
            line={"color": colour, "width": 2},
            hovertemplate=shown,
            connectgaps=True,
        )
    if share:
        made.update_yaxes(tickformat=".1~%")
    return _timed(made).update_yaxes(rangemode="tozero")


def plan(table: pd.DataFrame, y: str) -> go.Figure:
    """Draw spend and its plan: `spent` and `plan`, in units of currency."""
    made = figure("", y, hovermode="x unified")
    dashed = {"color": GREY, "dash": "dash", "width": 2}
    shown = "%{y:,.4~f}"
    made.add_scatter(x=table.index, y=table["plan"], name="even pace", mode="lines", line=dashed, hovertemplate=shown)
    line = {"color": COLOURS[0], "width": 2.5}
    made.add_scatter(x=table.index, y=table["spent"], name="spent", mode="lines", line=line, hovertemplate=shown)
    return _timed(made).update_yaxes(rangemode="tozero")


def steps(table: pd.DataFrame, y: str) -> go.Figure:
    """Draw parts of a whole over time, stacked, each constant until the next change."""
    made = figure("", y, hovermode="x unified", height=380)
    for number, name in enumerate(table.columns):
        colour = COLOURS[number % len(COLOURS)]
        line = {"shape": "hv", "color": colour, "width": 1}
        made.add_scatter(
            x=table.index,
            y=table[name],
            name=name,
            mode="lines",
            stackgroup="all",
            line=line,
            hovertemplate="%{y:,.2f}",
        )
    return _timed(made)


def _timed(made: go.Figure) -> go.Figure:
    """Limit the time axis to a few horizontal labels: more would be rotated on a phone."""
    return made.update_xaxes(nticks=5, tickangle=0)
