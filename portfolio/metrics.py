"""Metrics of campaigns and the portfolio, with credible intervals, as pandas, CSV and Parquet.

Rates are counts by exposure. Click and conversion rates have Beta posteriors under Jeffreys' prior, `Beta(1/2, 1/2)`;
counts per money spent have Gamma posteriors under `Gamma(1/2, 0)`, and from these come the intervals of costs and ROI.
Prices and spend are known, so CPM has no interval. The intervals express the uncertainty of the counts, not of the
next day.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import betaincinv, gammaincinv

from portfolio.snapshot import Snapshot
from rtb.runtime.text import csv_cell

PORTFOLIO = "portfolio"
"""Value of the column `scope` in the last row, all campaigns together; a campaign's row says `campaign`."""

COVERAGE = 0.95
"""Coverage of the intervals."""

Floats = npt.NDArray[np.float64]

_COUNTS = ("spend_micros", "impressions", "clicks", "conversions", "value_micros", "budget_micros")


def metrics_of(snapshot: Snapshot, coverage: float = COVERAGE) -> pd.DataFrame:
    """Return a row per campaign, in the order of their ids, and one for all together.

    Money is in micros, also `cpm`, `cpc` and `cpa`. `roi` is (value - spend) / spend. `utilisation` is spend by budget;
    `pacing_error` is spend by what an even pace would have spent by now, less 1. `..._low` and `..._high` bound the
    credible interval. NaN marks an undefined figure: a click rate without impressions, for example.

    Args:
        snapshot: the portfolio.
        coverage: probability that an interval holds the true value, between 0 and 1.

    Raises:
        ValueError: invalid coverage.
    """
    if not 0.0 < coverage < 1.0:
        raise ValueError(f"coverage is {coverage!r}: give a probability between 0 and 1, 0.95 for example")
    table = _table(snapshot)
    edges = ((1.0 - coverage) / 2.0, (1.0 + coverage) / 2.0)
    spend, value = _column(table, "spend_micros"), _column(table, "value_micros")
    impressions, clicks = _column(table, "impressions"), _column(table, "clicks")
    conversions = _column(table, "conversions")
    _add_rate(table, "ctr", clicks, impressions, edges)
    _add_rate(table, "cvr", conversions, clicks, edges)
    table["cpm"] = _ratio(1000.0 * spend, impressions)
    _add_cost(table, "cpc", spend, clicks, edges)
    _add_cost(table, "cpa", spend, conversions, edges)
    _add_roi(table, spend, value, edges)
    budget = _column(table, "budget_micros")
    table["utilisation"] = _ratio(spend, budget)
    table["pacing_error"] = _ratio(spend, _column(table, "due_micros")) - 1.0
    return table.drop(columns=["due_micros", "worth_squares"])


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write the table as CSV, with text that no spreadsheet executes; undefined figures are empty."""
    table.map(csv_cell).to_csv(path, index=False)


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write the table as Parquet."""
    table.to_parquet(path, index=False)


def _table(snapshot: Snapshot) -> pd.DataFrame:
    """Return the sums; `due_micros` is the spend of an even pace, `worth_squares` the sum of squared event values."""
    rows = []
    for one in snapshot.campaigns:
        counts = one.counts
        events = counts.clicks if one.event == "click" else counts.conversions
        worth = counts.value**2 / events if events else 0.0
        figures = (counts.spend, counts.impressions, counts.clicks, counts.conversions, counts.value, one.budget)
        rows.append((one.id, "campaign", *figures, one.budget * one.elapsed, float(worth)))
    names = ["id", "scope", *_COUNTS, "due_micros", "worth_squares"]
    table = pd.DataFrame(rows, columns=names)
    together = {name: [table[name].sum()] for name in names[2:]}
    whole = pd.DataFrame({"id": [PORTFOLIO], "scope": [PORTFOLIO], **together})
    table = pd.concat([table, whole], ignore_index=True) if rows else whole
    return table.astype(dict.fromkeys(_COUNTS, np.int64))


def _add_rate(table: pd.DataFrame, name: str, hits: Floats, tries: Floats, edges: tuple[float, float]) -> None:
    # A click may arrive whose impression was billed before counting began: cap the rate at 1.
    misses = np.maximum(tries - hits, 0.0)
    table[name] = _ratio(hits, tries)
    for edge, end in zip(edges, ("low", "high"), strict=True):
        table[f"{name}_{end}"] = np.where(tries > 0.0, betaincinv(hits + 0.5, misses + 0.5, edge), np.nan)


def _add_cost(table: pd.DataFrame, name: str, spend: Floats, events: Floats, edges: tuple[float, float]) -> None:
    table[name] = _ratio(spend, events)
    for edge, end in zip(edges, ("high", "low"), strict=True):  # few events for the money: each costs much
        table[f"{name}_{end}"] = np.where(spend > 0.0, spend / gammaincinv(events + 0.5, edge), np.nan)


def _add_roi(table: pd.DataFrame, spend: Floats, value: Floats, edges: tuple[float, float]) -> None:
    """Treat events of different worth as events of equal worth whose total has the same mean and variance."""
    squares = _column(table, "worth_squares")
    events = np.where(squares > 0.0, value**2 / np.where(squares > 0.0, squares, 1.0), 0.0)
    table["roi"] = _ratio(value, spend) - 1.0
    each = value / np.where(events > 0.0, events, 1.0)
    for edge, end in zip(edges, ("low", "high"), strict=True):
        earned = np.where(events > 0.0, each * gammaincinv(events + 0.5, edge), np.nan)
        table[f"roi_{end}"] = _ratio(earned, spend) - 1.0


def _column(table: pd.DataFrame, name: str) -> Floats:
    column: Floats = table[name].to_numpy(np.float64)
    return column


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.where(whole > 0.0, part / np.where(whole > 0.0, whole, 1.0), np.nan)
    return ratio
