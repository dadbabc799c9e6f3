"""Charts of distributions, and of one value by another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from dashboards.console.charts.base import AMBER, BLUE, COLOURS, GREEN, GREY, figure, interval
from dashboards.console.sources.exposition import Histogram


def landscape(table: pd.DataFrame, x: str) -> go.Figure:
    """Draw curves over log-spaced prices; see `shaping.market.prices`."""
    made = figure(x, "auctions", hovermode="x unified")
    for name, colour in zip(table.columns[1:], (BLUE, GREEN, AMBER), strict=False):
        line = {"color": colour, "width": 2, "shape": "spline", "smoothing": 0.6}
        told = "%{y:,}"
        made.add_scatter(
            x=table["cpm"], y=table[name], name=name, mode="lines", line=line, fill="tozeroy", hovertemplate=told
        )
    made.update_traces(opacity=0.85)
    return made.update_xaxes(type="log", tickformat=".3~g", hoverformat=".3~g")


def curve(table: pd.DataFrame, x: str) -> go.Figure:
    """Draw the win rate by price, with its interval."""
    made = figure(x, "auctions won", legend=False)
    bars = interval(table["low"], table["rate"], table["high"], GREY)
    told = "bid %{x:,.3~g}: %{y:.1%} of %{customdata:,} won<extra></extra>"
    made.add_scatter(
        x=table["cpm"],
        y=table["rate"],
        error_y=bars,
        customdata=table["bids"],
        mode="lines+markers",
        line={"color": BLUE, "width": 2},
        marker={"size": 8},
        hovertemplate=told,
    )
    return made.update_yaxes(tickformat=".0%", rangemode="tozero").update_xaxes(type="log", tickformat=".3~g")


def spread(groups: Mapping[str, npt.ArrayLike], x: str, *, bins: int = 40, share: bool = False) -> go.Figure:
    """Draw overlaid histograms of several groups, as shares of each group."""
    made = figure(x, "share of the group", barmode="overlay", legend=len(groups) > 1)
    together = np.concatenate([np.asarray(values, np.float64) for values in groups.values()])
    low, high = (float(together.min()), float(together.max())) if len(together) else (0.0, 1.0)
    size = max((high - low) / bins, 1e-9)
    for number, (name, values) in enumerate(groups.items()):
        made.add_histogram(
            x=np.asarray(values, np.float64),
            name=name,
            histnorm="probability",
            xbins={"start": low, "end": high + size, "size": size},
            marker_color=COLOURS[number],
            opacity=0.7,
            hovertemplate=f"%{{x}}: %{{y:.1%}}<extra>{name}</extra>",
        )
    made.update_yaxes(tickformat=".0%")
    return made.update_xaxes(tickformat=".0%") if share else made


def times(histogram: Histogram, marks: Mapping[str, float], x: str) -> go.Figure:
    """Draw a histogram of times as bars, with lines at some quantiles.

    Args:
        histogram: histogram of the times.
        marks: quantiles in milliseconds, by name.
        x: title of the axis.
    """
    made = figure(x, "answers", legend=False)
    counts = np.diff(np.r_[0.0, histogram.counts])
    kept = np.flatnonzero(counts)
    first, last = (int(kept[0]), int(kept[-1])) if len(kept) else (0, len(counts) - 1)
    uppers = histogram.bounds[first : last + 1] * 1_000.0
    lowers = np.r_[histogram.bounds[first - 1] * 1_000.0 if first else 0.0, uppers[:-1]]
    names = [f"{_ms(low)}-{_ms(high)}" for low, high in zip(lowers, uppers, strict=True)]
    told = "%{x} ms: %{y:,}<extra></extra>"
    made.add_bar(x=names, y=counts[first : last + 1], marker_color=BLUE, hovertemplate=told)
    said = "   ".join(f"{name} {value:,.1f} ms" for name, value in marks.items() if np.isfinite(value))
    place = {"x": 1, "y": 1.1, "xref": "paper", "yref": "paper", "xanchor": "right", "showarrow": False}
    made.add_annotation(text=said, **place)
    return made.update_xaxes(type="category").update_layout(margin={"t": 36})


def sla(histogram: Histogram, limit_ms: float) -> go.Figure:
    """Draw the share answered within a time, over the time, with the limit as a line."""
    made = figure("answered within, ms", "share of all answers", legend=False)
    finite = np.isfinite(histogram.bounds)
    part = histogram.counts[finite] / max(histogram.total, 1.0)
    at = histogram.bounds[finite] * 1_000.0
    told = "%{y:.2%} within %{x:,.1f} ms<extra></extra>"
    line = {"color": GREEN, "width": 2.5}
    made.add_scatter(x=at, y=part, mode="lines+markers", line=line, fill="tozeroy", hovertemplate=told)
    mark = {"color": AMBER, "width": 2, "dash": "dash"}
    made.add_scatter(
        x=[limit_ms] * 2, y=[0, 1], mode="lines", line=mark, hovertemplate=f"{limit_ms:.0f} ms<extra></extra>"
    )
    made.update_xaxes(type="log", tickvals=[1, 10, 100, 1_000, 10_000], ticktext=["1", "10", "100", "1,000", "10,000"])
    return made.update_yaxes(tickformat=".0%", range=[0, 1.04])


def calibration(table: pd.DataFrame) -> go.Figure:
    """Draw the observed by the predicted click rate; they are equal on the line."""
    made = figure("predicted click rate", "observed", legend=True)
    most = float(max(table["predicted"].max(), table["high"].max())) * 1.05
    dashed = {"color": GREY, "dash": "dash"}
    made.add_scatter(x=[0, most], y=[0, most], mode="lines", line=dashed, name="as predicted", hoverinfo="skip")
    told = "predicted %{x:.3%}, observed %{y:.3%} of %{customdata:,}<extra></extra>"
    made.add_scatter(
        x=table["predicted"],
        y=table["observed"],
        error_y=interval(table["low"], table["observed"], table["high"], GREY),
        customdata=table["impressions"],
        mode="markers",
        name="observed, 95% interval",
        marker={"color": BLUE, "size": 10},
        hovertemplate=told,
    )
    made.update_xaxes(tickformat=".2~%", rangemode="tozero")
    return made.update_yaxes(tickformat=".2~%", rangemode="tozero")


def _ms(milliseconds: float) -> str:
    return "more" if np.isinf(milliseconds) else f"{milliseconds:.3g}"
