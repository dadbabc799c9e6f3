"""A portfolio's budgets over time, from its moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def allocation(shown: Mapping[str, Any], moves: Sequence[Mapping[str, Any]], until: pd.Timestamp) -> pd.DataFrame:
    """Return budgets in micros by UTC time and campaign: the current ones, and those before each move.

    Args:
        shown: portfolio as `/portfolio/{id}` answers.
        moves: moves as its history answers, oldest first.
        until: current time.
    """
    now = {name: figures["budget_micros"] for name, figures in shown["campaigns"].items()}
    rows, times, current = [dict(now)], [until], dict(now)
    for move in reversed(moves):
        at = pd.Timestamp(move["at"])
        if at != times[-1]:
            rows.append(dict(current))
            times.append(at)
        for name, sign in ((move["source"], 1), (move["target"], -1)):
            if name in current:
                current[name] += sign * move["micros"]
    if moves:
        rows.append(dict(current))
        times.append(pd.Timestamp(moves[0]["at"]) - pd.Timedelta(seconds=1))
    return pd.DataFrame(rows[::-1], index=pd.DatetimeIndex(times[::-1]))


def figures(shown: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row per campaign, with the portfolio's figures."""
    table = pd.DataFrame.from_dict(dict(shown["campaigns"]), orient="index")
    table.index.name = "campaign"
    return table
