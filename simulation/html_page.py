"""A self-contained HTML report: a heading, a table, and plots with plotly's script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from rtb.runtime.text import escaped_figure

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e")

_STYLE = "body{font:15px system-ui,sans-serif;max-width:1200px;margin:2em auto;padding:0 1em;color:#222}"
_STYLE += "table{border-collapse:collapse}td,th{padding:.25em .8em;text-align:right;border-bottom:1px solid #ddd}"


def write_page(
    path: Path,
    title: str,
    table: str,
    plots: Sequence[tuple[str, go.Figure]],
    more: Sequence[tuple[str, go.Figure]] = (),
) -> None:
    """Write a report.

    Args:
        path: path of the file.
        title: title of the page.
        table: HTML at the top.
        plots: plots, each with a heading.
        more: pairs of HTML and a plot to append.
    """
    parts = [f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"]
    parts.append(f"<h1>{escape(title)}</h1>{table}")
    for number, (heading, plot) in enumerate(plots):
        parts.append(f"<h2>{escape(heading)}</h2>{_drawn(plot, with_script=number == 0)}")
    for text, plot in more:
        parts += [text, _drawn(plot)]
    path.write_text("\n".join(parts), encoding="utf-8")


def _drawn(plot: go.Figure, *, with_script: bool = False) -> str:
    drawn: str = escaped_figure(plot).to_html(
        full_html=False, include_plotlyjs=with_script, config={"displaylogo": False}
    )
    return drawn
