"""Latency of answers."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboards.console import view
from dashboards.console.charts import bars, lines, spreads
from dashboards.console.charts.base import AMBER, BLUE, GREEN, RED
from dashboards.console.scene import Scene, milliseconds, percent
from dashboards.console.sources.samples import quantiles

_PARTS = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_COLOURS = {"p50": GREEN, "p90": BLUE, "p99": RED}
_NOTHING = "Nothing was answered in this window: send traffic, or choose a longer window."
_ROLLING = 20


def figures(scene: Scene) -> None:
    """Show percentiles and the SLA."""
    found, limit = scene.latency, scene.filters.sla_ms
    if not found.of_bids:
        st.caption(
            ":material/info: `/metrics` of this platform has no histogram of bid requests, so these are the calls of "
            "this console, measured here."
        )
    within = found.histogram.within(limit / 1_000.0)
    told = [(name, milliseconds(found.quantile_ms(part)), f"Of {found.what}") for name, part in _PARTS.items()]
    view.metrics(
        [
            *told,
            (f"Within {limit:.0f} ms", percent(within), "The SLA; change it in the filters"),
            ("Answers", f"{found.histogram.total:,.0f}", f"{found.what}, in this window"),
        ]
    )


def spread(scene: Scene) -> None:
    """Show the distribution and the SLA curve."""
    found = scene.latency
    histogram = found.histogram
    table = pd.DataFrame({"within_ms": histogram.bounds * 1_000.0, "answers": histogram.counts})
    table = table if histogram.total > 0 else table.head(0)
    left, right = st.columns(2)
    with left:
        marks = {name: found.quantile_ms(part) for name, part in _PARTS.items()}
        drawn = spreads.times(histogram, marks, "milliseconds") if len(table) else None
        view.chart("Distribution of latency", f"Of {found.what} in this window.", drawn, table, _NOTHING)
    with right:
        drawn = spreads.sla(histogram, scene.filters.sla_ms) if len(table) else None
        view.chart(
            "Answered in time", "Share answered within a time; the vertical line is the SLA.", drawn, table, _NOTHING
        )


def over_time(scene: Scene) -> None:
    """Show percentiles over time, and the stages if they are measured."""
    if scene.latency.of_bids:
        table = quantiles(scene.samples, _PARTS)
        about = "Between two looks at `/metrics`, since this console was opened."
    else:
        table = _of_calls(scene)
        about = f"Over the last {_ROLLING} calls of this console at each point."
    drawn = lines.lines(table, "ms", unit=" ms", colours=_COLOURS)
    wait = f"Two looks at `/metrics` make one point: the next one is in {scene.filters.refresh} s."
    view.chart("Percentiles over time", about, drawn, table, wait)
    stages = scene.samples[-1].stages
    if stages:
        shown = pd.DataFrame(
            {name: [1_000.0 * one.quantile(part) for one in stages.values()] for name, part in _PARTS.items()},
            index=list(stages),
        )
        drawn = bars.beside(shown, "ms", (GREEN, BLUE, AMBER), shown=",.3~f")
        view.chart("Stages of a request", "Since the replicas started.", drawn, shown)
    elif not scene.latency.of_bids:
        _by_call(scene)


def _by_call(scene: Scene) -> None:
    calls = pd.DataFrame(list(scene.api.calls), columns=["at", "seconds", "path"])
    calls["path"] = calls["path"].str.replace(r"(?<=.)/.*", "", regex=True)  # ids do not matter here
    shown = (1_000.0 * calls.groupby("path")["seconds"].median()).sort_values(ascending=False).head(12)
    drawn = bars.across(shown, "ms, median", shown=",.1f")
    view.chart("Calls of this console", "Latency of each, measured here.", drawn, pd.DataFrame({"ms": shown}))


def _of_calls(scene: Scene) -> pd.DataFrame:
    since = scene.now - scene.filters.window
    calls = pd.DataFrame([one for one in list(scene.api.calls) if one.at >= since], columns=["at", "seconds", "path"])
    times = pd.to_datetime(calls["at"], unit="s", utc=True)
    rolled = (1_000.0 * calls["seconds"]).rolling(_ROLLING, min_periods=1)
    table = pd.DataFrame({name: rolled.quantile(part) for name, part in _PARTS.items()})
    return table.set_index(pd.DatetimeIndex(times))


PARTS = (figures, spread, over_time)
