"""What all charts have in common. Titles stand above a chart, in the page: inside they would be cut on a phone."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

BLUE, AMBER, GREEN, RED = "#3b82f6", "#f59e0b", "#10b981", "#ef4444"
PURPLE, TEAL, PINK, GREY = "#8b5cf6", "#14b8a6", "#ec4899", "#8c98ab"
COLOURS = (BLUE, AMBER, GREEN, PINK, PURPLE, TEAL, RED, GREY)
"""Told apart, and from the ground, in both themes."""

HEIGHT = 340
_LONGEST = 26


def figure(x: str = "", y: str = "", *, height: int = HEIGHT, legend: bool = True, **layout: Any) -> go.Figure:
    """An empty figure.

    Args:
        x: title of the axis, with its unit.
        y: likewise.
        height: pixels.
        legend: whether there is one, above the plot.
        layout: more of Plotly's layout.
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
    """A name that fits beside a bar."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def rows_height(rows: int) -> int:
    """Pixels of a chart with a bar a row: as high as the chart beside it, unless there are many."""
    return max(HEIGHT, min(640, 60 + 24 * rows))


def interval(low: Any, middle: Any, high: Any, colour: str) -> dict[str, Any]:
    """Error bars from a lower to an upper end."""
    return {
        "type": "data",
        "symmetric": False,
        "array": high - middle,
        "arrayminus": middle - low,
        "color": colour,
        "thickness": 1.2,
    }
