"""Charts over time."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from dashboards.console.charts.base import COLOURS, GREY, figure


def lines(
    table: pd.DataFrame, y: str, *, unit: str = "", share: bool = False, colours: Mapping[str, str] | None = None
) -> go.Figure:
    """A line a column, over the index.

    Args:
        table: by time.
        y: title of the axis.
        unit: behind each value.
        share: whether values are parts of 1, shown as percent.
        colours: of some columns.
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
    """Spend beside its plan: `spent` and `plan`, in units of currency."""
    made = figure("", y, hovermode="x unified")
    dashed = {"color": GREY, "dash": "dash", "width": 2}
    shown = "%{y:,.4~f}"
    made.add_scatter(x=table.index, y=table["plan"], name="even pace", mode="lines", line=dashed, hovertemplate=shown)
    line = {"color": COLOURS[0], "width": 2.5}
    made.add_scatter(x=table.index, y=table["spent"], name="spent", mode="lines", line=line, hovertemplate=shown)
    return _timed(made).update_yaxes(rangemode="tozero")


def steps(table: pd.DataFrame, y: str) -> go.Figure:
    """Parts of a whole over time, one upon the other, each holding until the next change."""
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
    """A few upright labels: on a phone more would be turned on their side."""
    return made.update_xaxes(nticks=5, tickangle=0)
