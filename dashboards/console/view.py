"""Elements of tabs: charts with title and data, tables, empty states, errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboards.console.scene import Scene
from dashboards.console.sources.api import ApiError
from dashboards.console.sources.event_files import EventsMissing
from dashboards.console.sources.prometheus import PrometheusAway
from rtb.runtime.text import csv_cell, escaped_figure, visible

Draw = Callable[[Scene], None]

EXPECTED = (ApiError, EventsMissing, PrometheusAway)
_MARKUP = re.compile(r"[^\w\s,.%+/'-]|_|www\.", re.IGNORECASE)
"""Characters that Markdown might interpret; the excluded ones are harmless."""

WAIT_FOR_BIDS = "No bids in this window: send traffic (`python -m pipelines.replay`), or choose a longer window."


def guarded(draw: Draw, scene: Scene) -> None:
    """Draw a part; if a source is unavailable, show that in its place and let the other parts be drawn."""
    try:
        draw(scene)
    except EventsMissing as error:
        empty(quoted(error))
    except EXPECTED as error:
        st.error(quoted(error), icon=":material/cloud_off:")


def empty(what_to_do: str) -> None:
    """Show a text in place of an empty chart or table."""
    with st.container(key=f"empty-{_next('empty')}"):
        st.info(what_to_do, icon=":material/hourglass_empty:")


def chart(title: str, about: str, figure: go.Figure | None, table: pd.DataFrame, otherwise: str = "") -> None:
    """Show a chart with a description, and its data as CSV; Plotly's own buttons give PNG.

    Args:
        title: short title.
        about: how to read it.
        figure: figure; None: there is nothing to draw.
        table: data of the figure.
        otherwise: text that says what to do if there is nothing.
    """
    name = slug(title)
    with st.container(border=True, height="stretch"):
        _head(title, table, name)
        st.caption(about)
        if figure is None or table.empty:
            empty(otherwise or WAIT_FOR_BIDS)
            return
        told = {
            "displaylogo": False,
            "responsive": True,
            "toImageButtonOptions": {"format": "png", "filename": f"raybid-{name}", "scale": 2},
            "modeBarButtonsToRemove": ["lasso2d", "select2d"],
        }
        st.plotly_chart(escaped_figure(figure), key=f"chart-{name}", config=told, alt=f"{title}: {about}")


def listed(title: str, about: str, table: pd.DataFrame, otherwise: str, **how: Any) -> Any:
    """Show a table with its data as CSV; return the result of `st.dataframe`."""
    with st.container(border=True):
        _head(title, table, slug(title))
        if about:
            st.caption(about)
        if table.empty:
            empty(otherwise)
            return None
        return st.dataframe(table, hide_index=True, key=f"table-{slug(title)}", **how)


def metrics(figures: Sequence[tuple[str, str, str]]) -> None:
    """Show figures side by side, as many as fit: name, value, explanation."""
    with st.container(horizontal=True, gap="small", key=f"metrics-{_next('metrics')}"):
        for name, value, about in figures:
            st.metric(name, quoted(value), help=about, border=True, width=154)


def quoted(text: object) -> str:
    """Return a text from outside for use in Markdown: as code if it could be markup.

    Escaping would not be enough: addresses still become links afterwards.
    """
    shown = visible(" ".join(str(text).split()))
    if not _MARKUP.search(shown):
        return shown
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence} {shown} {fence}"


def to_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV that a spreadsheet does not execute."""
    safe = table.map(csv_cell).rename(columns=csv_cell).rename(index=csv_cell)
    written: str = safe.to_csv()
    return written.encode()


def slug(text: str) -> str:
    """Return a name for files and keys."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _head(title: str, table: pd.DataFrame, name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", wrap=False):
        st.markdown(f"**{title}**")
        st.download_button(
            "CSV",
            lambda: to_csv(table),
            f"raybid-{name}.csv",
            "text/csv",
            key=f"csv-{name}",
            help="Download what is shown",
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
            disabled=table.empty,
        )


def _next(kind: str) -> int:
    """Return consecutive numbers within a drawing, so that keys stay the same in the next."""
    counts: dict[str, int] = st.session_state.setdefault("_counts", {})
    counts[kind] = counts.get(kind, -1) + 1
    return counts[kind]


def begin(tab: str) -> None:
    """Restart the counting of keys, separately for each tab."""
    number = sum(map(ord, tab)) * 100
    st.session_state["_counts"] = {"empty": number, "metrics": number}
