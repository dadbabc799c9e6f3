"""Common parts of charts. Titles are on the page above a chart: inside they would be cut off on a phone."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

BLUE, AMBER, GREEN, RED = "#3b82f6", "#f59e0b", "#10b981", "#ef4444"
PURPLE, TEAL, PINK, GREY = "#8b5cf6", "#14b8a6", "#ec4899", "#8c98ab"
COLOURS = (BLUE, AMBER, GREEN, PINK, PURPLE, TEAL, RED, GREY)
"""Colours distinct from each other and from the background, in both themes."""

HEIGHT = 340
_LONGEST = 26


def figure(x: str = "", y: str = "", *, height: int = HEIGHT, legend: bool = True, **layout: Any) -> go.Figure:
    """Return an empty figure.

    Args:
        x: title of the axis, with unit.
        y: likewise.
        height: pixels.
        legend: whether to show a legend above the plot.
        layout: further layout options of Plotly.
    """
    made = go.Figure()
    made.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 36 if legend else 12, "b": 8},
        showlegend=legend,
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.01,
            "x": 0,
            "title": {"text": ""},
            "traceorder": "normal",
        },
        xaxis={"title": {"text": x}, "automargin": True},
        yaxis={"title": {"text": y}, "automargin": True},
        uirevision="kept",
        **layout,
    )
    return made


def short(name: str) -> str:
    """Shorten a name to fit beside a bar."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def rows_height(rows: int) -> int:
    """Return the height in pixels of a chart with a bar per row: that of its neighbour, unless there are many."""
    return max(HEIGHT, min(640, 60 + 24 * rows))


def interval(low: Any, middle: Any, high: Any, colour: str) -> dict[str, Any]:
    """Return error bars from a lower to an upper end."""
    return {
        "type": "data",
        "symmetric": False,
        "array": high - middle,
        "arrayminus": middle - low,
        "color": colour,
        "thickness": 1.2,
    }
