"""The figures that come first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd


class Kpis(NamedTuple):
    """Since the platform began to count; NaN where a figure has no meaning yet.

    Attributes:
        requests: bid requests, of all exchanges.
        answered: those answered with a bid.
        bids: of the campaigns looked at.
        wins: likewise.
        impressions: charged.
        clicks: likewise.
        spent_micros: likewise.
        value_micros: what their clicks and conversions are worth to advertisers.
    """

    requests: int
    answered: int
    bids: int
    wins: int
    impressions: int
    clicks: int
    spent_micros: int
    value_micros: int

    @property
    def bid_rate(self) -> float:
        """Requests answered with a bid."""
        return ratio(self.answered, self.requests)

    @property
    def win_rate(self) -> float:
        """Bids won."""
        return ratio(self.wins, self.bids)

    @property
    def ctr(self) -> float:
        """Impressions clicked."""
        return ratio(self.clicks, self.impressions)

    @property
    def roi(self) -> float:
        """(value - spend) / spend."""
        return ratio(self.value_micros, self.spent_micros) - 1.0

    @property
    def ecpc_micros(self) -> float:
        """Spend a click."""
        return ratio(self.spent_micros, self.clicks)

    @property
    def ecpm_micros(self) -> float:
        """Spend a thousand impressions."""
        return 1_000.0 * ratio(self.spent_micros, self.impressions)


def kpis_of(campaigns: pd.DataFrame, counters: Mapping[str, int]) -> Kpis:
    """Sums over campaigns, and what all requests came to.

    Args:
        campaigns: see `campaigns.table_of`.
        counters: of `/stats`.
    """
    named = ("bids", "wins", "bills", "clicks", "spent_micros", "value_micros")
    sums = [int(campaigns[name].sum()) for name in named]
    return Kpis(counters.get("requests", 0), counters.get("bid_responses", 0), *sums)


def ratio(part: float, whole: float) -> float:
    """A part of a whole; NaN of nothing."""
    return part / whole if whole else math.nan


def by_first(counters: Mapping[str, int], first: str) -> pd.Series:
    """Counters named `first.<name>`, by that name, the most first."""
    found = {name.partition(".")[2]: value for name, value in counters.items() if name.startswith(f"{first}.")}
    return pd.Series(found, dtype="float64").sort_values(ascending=False)


def by_exchange(counters: Mapping[str, int]) -> pd.DataFrame:
    """A row an exchange profile: `requests` and `bid_responses`."""
    rows: dict[str, dict[str, int]] = {}
    for name, value in counters.items():
        parts = name.split(".")
        if len(parts) == 3 and parts[0] == "exchange":
            rows.setdefault(parts[1], {})[parts[2]] = value
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.reindex(columns=["requests", "bid_responses"]).fillna(0).sort_values("requests", ascending=False)
