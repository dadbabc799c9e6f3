"""An experiment's figures as tables for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from rtb.experiment.readings import FIGURES, Readings
from rtb.experiment.verdict import ExperimentVerdict, Metric

ARMS = ("champion", "challenger")


def as_json(readings: Readings) -> dict[str, dict[str, float | None]]:
    """Return each arm's results: micros, counts and returns; null if it spent nothing."""
    told: dict[str, dict[str, float | None]] = {}
    for arm, sums in zip(ARMS, readings.total.tolist(), strict=True):
        figures = dict(zip(FIGURES, sums, strict=True))
        spend = figures["spend"]
        ratio = figures["value"] / spend if spend else None
        told[arm] = {
            "spend_micros": round(spend),
            "wins": round(figures["wins"]),
            "clicks": round(figures["clicks"]),
            "value_micros": round(figures["value"]),
            "value_per_money": ratio,
            "roi": None if ratio is None else ratio - 1.0,
        }
    return told


def of_arms(readings: Readings, title: str) -> Table:
    """Return each arm's results as a table."""
    figures = as_json(readings)
    shown = Table("", *ARMS, title=title)
    for name in figures[ARMS[0]]:
        shown.add_row(name.replace("_", " "), *(_number(figures[arm][name]) for arm in ARMS))
    return shown


def of_verdicts(verdicts: Mapping[Metric, ExperimentVerdict | None], alpha: float) -> Table:
    """Return the lift of the challenger over the champion, by metric."""
    chance = f"{1 - alpha:.0%}"
    shown = Table("challenger's", "lift", f"{chance}, at any time", f"{chance}, one look", "significant")
    for metric, verdict in verdicts.items():
        if verdict is None:
            shown.add_row(metric.replace("_", " "), "not enough data", "", "", "")
            continue
        holds = f"{verdict.low:+.1%} to {verdict.high:+.1%}"
        once = f"{verdict.bootstrap_low:+.1%} to {verdict.bootstrap_high:+.1%}"
        shown.add_row(metric.replace("_", " "), f"{verdict.lift:+.1%}", holds, once, "yes" if verdict.is_real else "")
    return shown


def of_money(money: Mapping[str, Mapping[str, int]], title: str) -> Table:
    """Return the money by arm and pot."""
    pots: list[Any] = list(money[ARMS[0]])
    shown = Table("", *pots, title=title)
    for arm in ARMS:
        shown.add_row(arm, *(f"{money[arm][pot]:,}" for pot in pots))
    return shown


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
