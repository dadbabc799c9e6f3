"""The market: prices, win rates, shading."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dashboards.console.shaping.names import OTHER

_LEAST_IN_BIN = 5
CPM = 1_000.0 / 1e6
"""Factor from micros per impression to units of currency per thousand impressions."""


def prices(auctions: pd.DataFrame) -> pd.DataFrame:
    """Return log-spaced bins of prices, CPM: counts of `bids`, `paid` (charges), `to win` (minimums to win)."""
    told = {
        "bids": auctions["price_micros"],
        "paid": auctions.loc[auctions["cost_micros"] > 0, "cost_micros"],
        "to win": auctions["min_to_win_micros"].dropna(),
    }
    cpms = {name: values[values > 0].to_numpy(np.float64) * CPM for name, values in told.items()}
    together = np.concatenate(list(cpms.values())) if cpms else np.zeros(0)
    if not len(together):
        return pd.DataFrame(columns=["cpm", *told])
    edges = np.geomspace(together.min() * 0.999, together.max() * 1.001, 33)
    table = pd.DataFrame({name: np.histogram(values, edges)[0] for name, values in cpms.items()})
    table.insert(0, "cpm", np.sqrt(edges[1:] * edges[:-1]))
    return table


def win_rate_curve(auctions: pd.DataFrame, bins: int = 14) -> pd.DataFrame:
    """Return the win rate by bid price: `cpm`, `rate`, `low`, `high` (95%, Wilson), `bids`, for finished auctions."""
    ended = auctions[auctions["result"] != "open"]
    columns = ["cpm", "rate", "low", "high", "bids"]
    if len(ended) < _LEAST_IN_BIN:
        return pd.DataFrame(columns=columns)
    price = ended["price_micros"].to_numpy(np.float64) * CPM
    edges = np.unique(np.quantile(price, np.linspace(0.0, 1.0, bins + 1)))
    at = np.clip(np.searchsorted(edges, price, side="right") - 1, 0, max(0, len(edges) - 2))
    won = pd.Series((ended["result"] == "won").to_numpy(np.float64)).groupby(at)
    table = pd.DataFrame({"cpm": pd.Series(price).groupby(at).median(), "rate": won.mean(), "bids": won.size()})
    table["low"], table["high"] = wilson(table["rate"] * table["bids"], table["bids"])
    return table.loc[table["bids"] >= _LEAST_IN_BIN, columns].reset_index(drop=True)


def wilson(hits: pd.Series, tries: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the 95% interval of a rate (Wilson's score interval)."""
    z = 1.959964
    rate = hits / tries
    middle = (rate + z**2 / (2 * tries)) / (1 + z**2 / tries)
    half = z * np.sqrt(rate * (1 - rate) / tries + z**2 / (4 * tries**2)) / (1 + z**2 / tries)
    return (middle - half).clip(lower=0.0), (middle + half).clip(upper=1.0)


def shading(auctions: pd.DataFrame) -> pd.DataFrame:
    """Return the bid as a share of the impression's worth: `part` (0 to 1), by `kind` of auction."""
    known = auctions[auctions["worth_micros"] > 0]
    part = (known["price_micros"] / known["worth_micros"]).clip(upper=1.0)
    kind = np.where(known["first_price"].fillna(False).astype(bool), "first price", "second price")
    return pd.DataFrame({"part": part.to_numpy(), "kind": kind})


def to_win(auctions: pd.DataFrame) -> pd.DataFrame:
    """Return the minimum to win as a multiple of the bid, for auctions where it is known; by `result`."""
    known = auctions[auctions["min_to_win_micros"].notna() & (auctions["price_micros"] > 0)]
    multiple = (known["min_to_win_micros"] / known["price_micros"]).clip(upper=4.0)
    return pd.DataFrame({"multiple": multiple.to_numpy(), "result": known["result"].to_numpy()})


def by_name(auctions: pd.DataFrame, buckets: pd.DataFrame, names: Mapping[int, str]) -> pd.DataFrame:
    """Return sums of auctions by the value of one feature: see `summed`."""
    of_bid = buckets.drop_duplicates("bid").set_index("bid")["bucket"].map(names).fillna(OTHER)
    return summed(auctions, auctions["bid"].map(of_bid).fillna(OTHER).rename("name"))


def summed(auctions: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    """Return a row per group, the most bids first.

    Columns: `bids`, `wins`, `impressions`, `clicks`, `conversions`, `spent_micros`, `value_micros`, and derived from
        these `win_rate`, `ctr`, `ecpc_micros` and `roi`, NaN where undefined.
    """
    rows = pd.DataFrame(
        {
            "bids": 1,
            "ended": auctions["result"] != "open",
            "wins": auctions["result"] == "won",
            "impressions": auctions["cost_micros"] > 0,
            "clicks": auctions["clicks"],
            "conversions": auctions["conversions"],
            "spent_micros": auctions["cost_micros"],
            "value_micros": auctions["value_micros"],
        }
    )
    table = rows.groupby(by).sum()
    table["win_rate"] = table["wins"] / table["ended"].where(table["ended"] > 0)
    table["ctr"] = table["clicks"] / table["impressions"].where(table["impressions"] > 0)
    table["ecpc_micros"] = table["spent_micros"] / table["clicks"].where(table["clicks"] > 0)
    table["roi"] = table["value_micros"] / table["spent_micros"].where(table["spent_micros"] > 0) - 1.0
    return table.sort_values("bids", ascending=False)
