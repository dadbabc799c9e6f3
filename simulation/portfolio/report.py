"""Reports of a portfolio simulation: a table in the terminal, and one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from rich.table import Table

from simulation.html_page import COLOURS, write_page
from simulation.portfolio.figures import StrategyComparison, mean_regret

Told = Mapping[str, Mapping[str, float]]

_COLUMNS = ("value_share", "over_proportional", "regret_slope", "moved")


def table(found: Told, title: str) -> Table:
    """Return the figures by strategy, stationary and drifting markets side by side."""
    shown = Table(title=title)
    shown.add_column("strategy")
    for name in _COLUMNS:
        shown.add_column(name.replace("_", " "), justify="right")
        shown.add_column("under drift", justify="right")
    for player, told in found.items():
        shown.add_row(player, *(f"{told.get(f'{name}{end}', 0.0):.3f}" for name in _COLUMNS for end in ("", "_drift")))
    return shown


def write_html(path: Path, found: Told, games: Sequence[StrategyComparison], title: str) -> None:
    """Write plots and the table to one file that includes plotly's script."""
    plots = [
        ("Share of the clairvoyant's value, by market", _shares(games)),
        ("Cumulative regret, stationary markets (shares of the clairvoyant's value)", _regrets(games, drift=False)),
        ("Cumulative regret, drifting markets", _regrets(games, drift=True)),
        ("Value by round, one drifting market", _course(next(game for game in games if game.drift))),
    ]
    write_page(path, title, _html_table(found), plots)


def _shares(games: Sequence[StrategyComparison]) -> go.Figure:
    plot = go.Figure()
    for number, player in enumerate(games[0].value):
        names = ["drifting" if game.drift else "stationary" for game in games]
        plot.add_box(
            x=names,
            y=[game.share(player) for game in games],
            name=player,
            marker_color=COLOURS[number],
            boxpoints="all",
            jitter=0.4,
        )
    plot.update_layout(boxmode="group", yaxis_title="share of the clairvoyant's value", height=480)
    return plot


def _regrets(games: Sequence[StrategyComparison], *, drift: bool) -> go.Figure:
    plot = go.Figure()
    for number, player in enumerate(games[0].value):
        regret = mean_regret(games, player, drift)
        plot.add_scatter(x=np.arange(1, len(regret) + 1), y=regret, name=player, line_color=COLOURS[number])
    plot.update_layout(xaxis_title="round (hour)", yaxis_title="cumulative regret", height=420)
    plot.update_xaxes(type="log")
    plot.update_yaxes(type="log")
    return plot


def _course(game: StrategyComparison) -> go.Figure:
    plot = go.Figure()
    plot.add_scatter(y=game.best / 1e6, name="clairvoyant", line={"color": "#222", "dash": "dot"})
    for number, (player, value) in enumerate(game.value.items()):
        plot.add_scatter(y=value / 1e6, name=player, line_color=COLOURS[number])
    plot.update_layout(xaxis_title="round (hour)", yaxis_title="value, units of currency", height=420)
    return plot


def _html_table(found: Told) -> str:
    names = list(next(iter(found.values())))
    head = "".join(f"<th>{escape(name)}</th>" for name in ("strategy", *names))
    lines = (
        f"<tr><td>{escape(player)}</td>{''.join(f'<td>{told[name]:,}</td>' for name in names)}</tr>"
        for player, told in found.items()
    )
    return f"<div style='overflow-x:auto'><table><tr>{head}</tr>{''.join(lines)}</table></div>"
