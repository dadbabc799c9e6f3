"""Bar charts by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.console.charts.base import (
    AMBER,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    HEIGHT,
    RED,
    figure,
    interval,
    rows_height,
    short,
)

_UPRIGHT = 5


def across(values: pd.Series, x: str, *, colour: str = BLUE, shown: str = ",.4~g") -> go.Figure:
    """Draw a horizontal bar per row, the first on top."""
    made = figure(x, "", legend=False, height=rows_height(len(values)))
    names = [short(str(name)) for name in values.index]
    told = f"%{{y}}: %{{x:{shown}}}<extra></extra>"
    made.add_bar(
        x=values,
        y=names,
        orientation="h",
        marker_color=colour,
        hovertemplate=told,
        texttemplate=f"%{{x:{shown}}}",
        cliponaxis=False,
    )
    return made.update_yaxes(autorange="reversed", type="category")


def stacked(table: pd.DataFrame, x: str, colours: Sequence[str] = COLOURS) -> go.Figure:
    """Draw the parts of each row, stacked horizontally, the first row on top."""
    made = figure(x, "", height=rows_height(len(table)), barmode="stack")
    names = [short(str(name)) for name in table.index]
    for number, name in enumerate(table.columns):
        told = f"{name} %{{x:,.4~f}}<extra>%{{y}}</extra>"
        colour = colours[number % len(colours)]
        made.add_bar(x=table[name], y=names, orientation="h", name=name, marker_color=colour, hovertemplate=told)
    return made.update_yaxes(autorange="reversed", type="category")


def beside(table: pd.DataFrame, y: str, colours: Sequence[str] = COLOURS, *, shown: str = ",.4~g") -> go.Figure:
    """Draw the columns of each row as vertical bars side by side."""
    names = [short(str(name)) for name in table.index]
    if len(names) > _UPRIGHT:  # so many labels below bars would be rotated
        return _across_beside(table, names, y, colours, shown)
    made = figure("", y, barmode="group")
    for number, name in enumerate(table.columns):
        told = f"{name} %{{y:{shown}}}<extra>%{{x}}</extra>"
        colour = colours[number % len(colours)]
        made.add_bar(x=names, y=table[name], name=name, marker_color=colour, hovertemplate=told)
    return made.update_xaxes(type="category")


def _across_beside(table: pd.DataFrame, names: Sequence[str], x: str, colours: Sequence[str], shown: str) -> go.Figure:
    made = figure(x, "", barmode="group", height=rows_height(len(names)))
    for number, name in enumerate(table.columns):
        told = f"{name} %{{x:{shown}}}<extra>%{{y}}</extra>"
        colour = colours[number % len(colours)]
        made.add_bar(x=table[name], y=names, orientation="h", name=name, marker_color=colour, hovertemplate=told)
    return made.update_yaxes(autorange="reversed", type="category")


def volume_and_rate(table: pd.DataFrame, rate: str, about: str) -> go.Figure:
    """Draw each group's bids as bars, and one of its rates as points on a second axis."""
    made = figure("", "bids")
    names = [short(str(name)) for name in table.index]
    told = "%{x}: %{y:,} bids<extra></extra>"
    made.add_bar(x=names, y=table["bids"], name="bids", marker_color=BLUE, hovertemplate=told)
    made.add_scatter(
        x=names,
        y=table[rate],
        name=about,
        yaxis="y2",
        mode="markers",
        marker={"color": AMBER, "size": 11, "symbol": "diamond"},
        hovertemplate=f"%{{x}}: {about} %{{y:.2%}}<extra></extra>",
    )
    second = {
        "overlaying": "y",
        "side": "right",
        "tickformat": ".1~%",
        "rangemode": "tozero",
        "showgrid": False,
        "tickmode": "auto",
        "nticks": 6,
    }
    made.update_layout(yaxis2={**second, "title": {"text": about}, "automargin": True})
    return made.update_xaxes(type="category")


def with_intervals(table: pd.DataFrame, value: str, y: str) -> go.Figure:
    """Draw a point per row with its interval: `<value>`, `<value>_low`, `<value>_high`."""
    made = figure("", y, legend=False)
    known = table[table[value].notna()]
    bars = interval(known[f"{value}_low"], known[value], known[f"{value}_high"], GREY)
    names = [short(str(name)) for name in known.index]
    marker = {"color": BLUE, "size": 10}
    told = "%{x}: %{y:,.3~f}<extra></extra>"
    made.add_scatter(x=names, y=known[value], error_y=bars, mode="markers", marker=marker, hovertemplate=told)
    made.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dot"})
    return made.update_xaxes(type="category")


def gauges(parts: Mapping[str, float], marks: Mapping[str, float]) -> go.Figure:
    """Draw a gauge per budget: the percentage spent, and a line where an even pace would be.

    Args:
        parts: shares spent, 0 to 1, by name.
        marks: shares at an even pace, likewise.
    """
    columns = min(2, len(parts))
    rows = -(-len(parts) // columns)
    made = make_subplots(
        rows, columns, specs=[[{"type": "indicator"}] * columns] * rows, vertical_spacing=0.3, horizontal_spacing=0.2
    )
    for number, (name, part) in enumerate(parts.items()):
        mark = 100 * marks[name]
        colour = GREEN if part <= 1.1 * marks[name] + 0.01 else RED
        most = max(1.0, min(100.0, 4 * max(100 * part, mark)))
        made.add_trace(
            go.Indicator(
                mode="gauge+number",
                value=100 * part,
                number={"suffix": "%", "valueformat": ".2f", "font": {"size": 20}},
                title={"text": short(name), "font": {"size": 13}},
                gauge={
                    "axis": {"range": [0, most], "nticks": 4, "ticksuffix": "%", "tickfont": {"size": 10}},
                    "bar": {"color": colour},
                    "borderwidth": 0,
                    "bgcolor": "rgba(140,152,171,0.18)",
                    "threshold": {"line": {"color": AMBER, "width": 3}, "thickness": 0.9, "value": mark},
                },
            ),
            row=number // columns + 1,
            col=number % columns + 1,
        )
    return made.update_layout(height=HEIGHT, margin={"l": 30, "r": 30, "t": 44, "b": 8})


def waterfall(
    names: Sequence[str], values: Sequence[float], kinds: Sequence[str], texts: Sequence[str], y: str
) -> go.Figure:
    """Draw steps from one amount to another, with a label on each."""
    made = figure("", y, legend=False)
    made.add_waterfall(
        x=list(names),
        y=list(values),
        measure=list(kinds),
        connector={"line": {"color": GREY, "width": 1}},
        increasing={"marker": {"color": GREEN}},
        decreasing={"marker": {"color": RED}},
        totals={"marker": {"color": BLUE}},
        text=list(texts),
        textposition="auto",
        hovertemplate="%{x}: %{text}<extra></extra>",
    )
    return made.update_xaxes(type="category")
