"""Explanation of one bid, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboards.console.shaping.market import CPM
from rtb.explain.price_steps import price_steps

_LEAST = 0.5
"""Threshold in micros: smaller steps come from rounding."""


class Steps(NamedTuple):
    """The steps from an impression's worth to its bid and charge.

    Attributes:
        names: names of the steps.
        amounts: CPM; for a relative step, the change.
        kinds: `absolute`, `relative` or `total`, as in a waterfall.
    """

    names: list[str]
    amounts: list[float]
    kinds: list[str]


def steps_of(bid: Mapping[str, Any], worth_micros: float) -> Steps:
    """Return the steps of a row of `auctions.auctions_of`.

    Args:
        bid: the row.
        worth_micros: value of a click; NaN if the campaign pays for conversions, whose probability is in no event.
    """
    price = bid["price_micros"] * CPM
    names, amounts, kinds = ["price"], [price], ["total"]
    if math.isfinite(worth_micros) and math.isfinite(bid["pctr"]):
        whole = worth_micros * bid["pctr"] * CPM
        paced = whole * bid["multiplier"]
        names = ["worth", "pacing", "shading", "price"]
        amounts = [whole, paced - whole, price - paced, 0.0]
        kinds = ["absolute", "relative", "relative", "total"]
    else:
        kinds = ["absolute"]
    return Steps(names, amounts, kinds)


def steps_told(price: Mapping[str, Any]) -> Steps:
    """Return the steps of an explanation's `price`, exact and also for conversions."""
    worth = price["value_micros"] * price["chance"]
    changes = {
        "pacing and policy": price["by_value_micros"] - worth,
        "shading": -price["shaded_off_micros"],
        "agreed, rounded": price["price_micros"] - price["by_value_micros"] + price["shaded_off_micros"],
    }
    known = {name: change for name, change in changes.items() if abs(change) >= _LEAST or name != "agreed, rounded"}
    amounts = [worth, *known.values(), 0.0]
    kinds = ["absolute", *["relative"] * len(known), "total"]
    return Steps(["worth", *known, "price"], [amount * CPM for amount in amounts], kinds)


def ladder_of(price: Mapping[str, Any]) -> pd.DataFrame:
    """Return the steps to the price in words, a row each."""
    steps = [(step.name, step.micros, step.how) for step in price_steps(price)]
    return pd.DataFrame(steps, columns=["step", "micros", "how"])


def candidates_of(told: Mapping[str, Any]) -> pd.DataFrame:
    """Return the candidates with their outcomes, those that came furthest first."""
    amounts = ["price_micros", "before_shading_micros", "floor_micros"]
    wanted = ["campaign", "ended", *amounts, "pctr", "multiplier", "creative"]
    return pd.DataFrame(told["candidates"]).reindex(columns=wanted)


def dropped_of(told: Mapping[str, Any]) -> pd.Series:
    """Return the number of excluded campaigns by reason; one may fail several tests."""
    return pd.Series(told["dropped"]["by_reason"], dtype=np.int64)


def facts_of(told: Mapping[str, Any]) -> pd.DataFrame:
    """Return the offer, the versions, and the lease."""
    parts = {name: told[name] for name in ("request", "imp", "made_by", "lease")}
    rows = [(part.replace("_", " "), *row) for part, of in parts.items() for row in flat(of).itertuples(index=False)]
    return pd.DataFrame(rows, columns=["of", "field", "value"])


def flat(value: Any, name: str = "") -> pd.DataFrame:
    """Return a part of an explanation as a table: rows of a list of objects, else field and value."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return pd.json_normalize(value).map(_plain)
    if isinstance(value, dict):
        rows = pd.json_normalize(value).iloc[0] if value else pd.Series(dtype=object)
        return pd.DataFrame({"field": rows.index, "value": [_text(one) for one in rows]})
    return pd.DataFrame({"field": [name], "value": [_text(value)]})


def _plain(value: Any) -> Any:
    return _text(value) if isinstance(value, list | dict) else value


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "-" if value is None else str(value)
