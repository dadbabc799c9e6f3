"""Reports of a backtest: a table in the terminal, a CSV, and one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots
from rich.table import Table

from rtb.runtime.terminal import plain
from simulation.backtest import csv_file
from simulation.backtest.bench import BacktestResult
from simulation.backtest.figures import TOTAL, BacktestFigures
from simulation.html_page import COLOURS, write_page
from simulation.replay import CURVE

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_COLUMNS = 3  # small plots per row


def table(figures: Sequence[BacktestFigures], title: str) -> Table:
    """Return the share of hindsight's value with its interval, and clicks, by bidder and budget."""
    shown = Table(title=plain(title))
    shown.add_column("bidder")
    budgets = _budgets(figures)
    for budget in budgets:
        shown.add_column(budget, justify="right")
    for bidder in dict.fromkeys(one.bidder for one in figures):
        shown.add_row(plain(bidder), *(_cell(_find(figures, TOTAL, bidder, budget)) for budget in budgets))
    return shown


def write_csv(path: Path, figures: Sequence[BacktestFigures]) -> None:
    """Write all figures, a line per campaign, bidder and budget; campaign `all` is the sum."""
    csv_file.write_csv(path, BacktestFigures, figures)


def write_html(
    path: Path,
    figures: Sequence[BacktestFigures],
    results: Sequence[BacktestResult],
    title: str,
    more: Sequence[tuple[str, go.Figure]] = (),
) -> None:
    """Write plots and the table to one file that includes plotly's script; `more` is text and a plot to append."""
    campaigns = sorted({result.campaign for result in results})
    plots = [
        ("Captured value against budget, all campaigns", _value_plot(figures, [TOTAL])),
        ("Captured value against budget, by campaign", _value_plot(figures, campaigns)),
    ]
    plots += [
        (f"Spend over an episode, budget {budget}", _spend_plot(results, campaigns, budget))
        for budget in _budgets(figures)
    ]
    write_page(path, title, html_table([one for one in figures if one.campaign == TOTAL]), plots, more)


def html_table(rows: Sequence[DataclassInstance]) -> str:
    """Return dataclasses of one type as an HTML table, a row each."""
    head = "".join(f"<th>{escape(field.name)}</th>" for field in fields(rows[0]))
    lines = ("".join(f"<td>{escape(_text(value))}</td>" for value in asdict(row).values()) for row in rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _value_plot(figures: Sequence[BacktestFigures], campaigns: Sequence[str]) -> go.Figure:
    plot = _grid(campaigns)
    for place, campaign in enumerate(campaigns):
        for bidder, colour in _colours(figures).items():
            line = [one for one in figures if (one.campaign, one.bidder) == (campaign, bidder)]
            share = [100 * one.value_share for one in line]
            plot.add_trace(
                go.Scatter(
                    x=[one.budget for one in line],
                    y=share,
                    error_y=_bars(line),
                    name=bidder,
                    legendgroup=bidder,
                    showlegend=place == 0,
                    line={"color": colour},
                ),
                row=place // _COLUMNS + 1,
                col=place % _COLUMNS + 1,
            )
    plot.update_yaxes(title_text="% of hindsight")
    return plot


def _spend_plot(results: Sequence[BacktestResult], campaigns: Sequence[str], budget: str) -> go.Figure:
    plot = _grid(campaigns)
    time = [(i + 1) / CURVE for i in range(CURVE)]
    colours = _colours(results)
    for result in results:
        if result.budget == budget:
            place = campaigns.index(result.campaign)
            plot.add_trace(
                go.Scatter(
                    x=[0.0, *time],
                    y=[0.0, *result.played.curve.tolist()],
                    name=result.bidder,
                    legendgroup=result.bidder,
                    showlegend=place == 0,
                    line={"color": colours[result.bidder]},
                ),
                row=place // _COLUMNS + 1,
                col=place % _COLUMNS + 1,
            )
    plot.update_yaxes(title_text="of budget spent", range=[0, 1.02])
    return plot


def _grid(campaigns: Sequence[str]) -> go.Figure:
    columns = min(_COLUMNS, len(campaigns))
    rows = -(-len(campaigns) // columns)
    plot = make_subplots(rows=rows, cols=columns, subplot_titles=list(campaigns))
    plot.update_layout(height=120 + 300 * rows, template="plotly_white", margin={"t": 40, "b": 30})
    return plot


def _bars(line: Sequence[BacktestFigures]) -> dict[str, object]:
    up = [100 * ((one.value_share_high or one.value_share) - one.value_share) for one in line]
    down = [100 * (one.value_share - (one.value_share_low or one.value_share)) for one in line]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1}


def _colours(of: Sequence[BacktestFigures] | Sequence[BacktestResult]) -> dict[str, str]:
    names = sorted({one.bidder for one in of})
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def _budgets(figures: Sequence[BacktestFigures]) -> list[str]:
    return list(dict.fromkeys(one.budget for one in figures))


def _find(figures: Sequence[BacktestFigures], campaign: str, bidder: str, budget: str) -> BacktestFigures:
    return next(one for one in figures if (one.campaign, one.bidder, one.budget) == (campaign, bidder, budget))


def _cell(one: BacktestFigures) -> str:
    share = f"{100 * one.value_share:.1f}%"
    if one.value_share_low is not None and one.value_share_high is not None:
        share += f"\n({100 * one.value_share_low:.1f}-{100 * one.value_share_high:.1f})"
    return f"{share}\n{one.clicks} clicks"


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
