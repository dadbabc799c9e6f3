"""Campaigns and their money as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

_FIGURES = (
    "budget_micros",
    "moved_micros",
    "available_micros",
    "leased_micros",
    "reserved_micros",
    "spent_micros",
    "bids",
    "wins",
    "bills",
    "losses",
    "clicks",
    "conversions",
)
MICRO = 1e6


def table_of(campaigns: Sequence[dict[str, Any]], now: float) -> pd.DataFrame:
    """Return a row per campaign, by id.

    Money is in micros of the platform's currency. `value_micros` is the advertiser's value of the clicks or
    conversions, `due_micros` what an even pace would have spent by now, `day_micros` the daily limit (0: none).

    Args:
        campaigns: campaigns as `/campaigns` answers; those without figures in the ledger are left out.
        now: Unix time.
    """
    rows = [_row(one, now) for one in campaigns if one.get("figures")]
    columns = ["id", "number", "name", "status", "version", "goal", "worth", "starts", "ends", "day_micros"]
    return pd.DataFrame(rows, columns=[*columns, *_FIGURES, "value_micros", "due_micros"]).set_index("id", drop=False)


def _row(one: dict[str, Any], now: float) -> dict[str, Any]:
    starts = _moment(one["flight"]["starts_at"] or one["created_at"])
    ends_at = one["flight"]["ends_at"]
    ends = _moment(ends_at) if ends_at else starts + one["budget"]["flight_seconds"]
    figures = {name: one["figures"].get(name, 0) for name in _FIGURES}
    goal, rate = one["goal"], one.get("exchange_rate") or 1.0
    worth = round(goal["value_micros"] / rate)
    events = figures["clicks"] if goal["kind"] == "click" else figures["conversions"]
    return {
        **{name: one[name] for name in ("id", "number", "name", "status", "version")},
        "goal": goal["kind"],
        "worth": worth,
        "starts": starts,
        "ends": ends,
        "day_micros": round(one["budget"]["daily_micros"] / rate),
        **figures,
        "value_micros": events * worth,
        "due_micros": round(figures["budget_micros"] * min(1.0, max(0.0, (now - starts) / (ends - starts)))),
    }


def _moment(text: str) -> float:
    return float(pd.Timestamp(text).timestamp())
