"""Key figures of the platform."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd


class Kpis(NamedTuple):
    """Key figures since the platform began to count; NaN where undefined.

    Attributes:
        requests: bid requests of all exchanges.
        answered: bid requests answered with a bid.
        bids: bids of the selected campaigns.
        wins: wins of the selected campaigns.
        impressions: charged impressions.
        clicks: clicks on them.
        spent_micros: charges for them.
        value_micros: value of their clicks and conversions to advertisers.
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
        """Share of requests answered with a bid."""
        return ratio(self.answered, self.requests)

    @property
    def win_rate(self) -> float:
        """Share of bids that won."""
        return ratio(self.wins, self.bids)

    @property
    def ctr(self) -> float:
        """Share of impressions that were clicked."""
        return ratio(self.clicks, self.impressions)

    @property
    def roi(self) -> float:
        """(value - spend) / spend."""
        return ratio(self.value_micros, self.spent_micros) - 1.0

    @property
    def ecpc_micros(self) -> float:
        """Spend per click."""
        return ratio(self.spent_micros, self.clicks)

    @property
    def ecpm_micros(self) -> float:
        """Spend per thousand impressions."""
        return 1_000.0 * ratio(self.spent_micros, self.impressions)


def kpis_of(campaigns: pd.DataFrame, counters: Mapping[str, int]) -> Kpis:
    """Return the sums over campaigns, and the counters of all requests.

    Args:
        campaigns: see `campaigns.table_of`.
        counters: counters of `/stats`.
    """
    named = ("bids", "wins", "bills", "clicks", "spent_micros", "value_micros")
    sums = [int(campaigns[name].sum()) for name in named]
    return Kpis(counters.get("requests", 0), counters.get("bid_responses", 0), *sums)


def ratio(part: float, whole: float) -> float:
    """Return a share; NaN if the whole is zero."""
    return part / whole if whole else math.nan


def by_first(counters: Mapping[str, int], first: str) -> pd.Series:
    """Return the counters named `first.<name>`, by that name, the largest first."""
    found = {name.partition(".")[2]: value for name, value in counters.items() if name.startswith(f"{first}.")}
    return pd.Series(found, dtype="float64").sort_values(ascending=False)


def unnoticed(counters: Mapping[str, int]) -> dict[str, str]:
    """Return what is wrong with the notices of exchange profiles, by name: bids shown or billed by nobody."""
    found = {}
    for name in by_exchange(counters).index:
        told = {kind: counters.get(f"exchange_notice.{name}.{kind}", 0) for kind in (*_SHOWN, "charged", "loss")}
        if counters.get(f"exchange.{name}.bid", 0) >= _MANY_BIDS and not any(told.values()):
            found[name] = "shown by nobody"
        elif sum(told[kind] for kind in _SHOWN) >= _MANY_SHOWN and not told["charged"]:
            found[name] = "billed by nobody"
    return found


_SHOWN = ("win", "bill", "click", "refused")
_MANY_BIDS, _MANY_SHOWN = 500, 20


def by_exchange(counters: Mapping[str, int]) -> pd.DataFrame:
    """Return a row per exchange profile: `requests` and `bid_responses`."""
    rows: dict[str, dict[str, int]] = {}
    for name, value in counters.items():
        parts = name.split(".")
        if len(parts) == 3 and parts[0] == "exchange":
            rows.setdefault(parts[1], {})[parts[2]] = value
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.reindex(columns=["requests", "bid_responses"]).fillna(0).sort_values("requests", ascending=False)
