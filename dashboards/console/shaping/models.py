"""Quality of the served models: predictions against outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dashboards.console.shaping.market import wilson


def shown(auctions: pd.DataFrame) -> pd.DataFrame:
    """Return the auctions whose ad was shown and whose click probability is known."""
    return auctions[(auctions["cost_micros"] > 0) & auctions["pctr"].notna()]


def calibration(auctions: pd.DataFrame, bins: int = 8) -> pd.DataFrame:
    """Return predicted and observed click rates: `predicted`, `observed`, `low`, `high` (95%), `impressions`."""
    columns = ["predicted", "observed", "low", "high", "impressions"]
    seen = shown(auctions)
    if seen.empty:
        return pd.DataFrame(columns=columns)
    group = pd.qcut(seen["pctr"].rank(method="first"), min(bins, len(seen)), labels=False)
    rows = seen.assign(hit=seen["clicks"].clip(upper=1)).groupby(group)
    table = pd.DataFrame({"predicted": rows["pctr"].mean(), "observed": rows["hit"].mean(), "impressions": rows.size()})
    table["low"], table["high"] = wilson(table["observed"] * table["impressions"], table["impressions"])
    return table[columns].reset_index(drop=True)


def calibration_ratio(auctions: pd.DataFrame) -> float:
    """Return the predicted clicks per observed click; NaN without clicks."""
    seen = shown(auctions)
    clicks = float(seen["clicks"].clip(upper=1).sum())
    return float(seen["pctr"].sum()) / clicks if clicks else math.nan


def auc(auctions: pd.DataFrame) -> float:
    """Return how often a clicked impression was ranked above another; NaN unless there are both."""
    seen = shown(auctions)
    hit = (seen["clicks"] > 0).to_numpy()
    clicked, not_clicked = int(hit.sum()), int((~hit).sum())
    if not clicked or not not_clicked:
        return math.nan
    ranks = seen["pctr"].rank().to_numpy(np.float64)
    return float((ranks[hit].sum() - clicked * (clicked + 1) / 2) / (clicked * not_clicked))


def versions(models: Mapping[str, Any], artefacts: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row per model: the published version, the served ones with their replicas, and the training."""
    rows = []
    for kind, told in models.items():
        known = artefacts.get(kind, {})
        served = sorted({one["version"] for one in told["replicas"]})
        refused = [one["refused"] for one in told["replicas"] if one["refused"]]
        rows.append(
            {
                "model": kind,
                "published": told["published"] or "none yet",
                "served": ", ".join(served) or "none",
                "replicas": len(told["replicas"]),
                "refused": "; ".join(refused),
                "trained": known.get("created", ""),
                "on": known.get("trained_on", ""),
            }
        )
    return pd.DataFrame(rows)


def decisions(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return the decisions about published models, newest first."""
    columns = ["at", "action", "version", "before", "reason"]
    table = pd.DataFrame(record["history"], columns=[*columns, "comparison"])[columns]
    return table.iloc[::-1].reset_index(drop=True)


def compared(history: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return candidate and champion in the last comparison at the gate: `measure`, `candidate`, `champion`."""
    for decision in reversed(history):
        measures = decision["comparison"].get("measures", ())
        if measures:
            rows = [(one["name"], one["candidate"], one["champion"]) for one in measures]
            return pd.DataFrame(rows, columns=["measure", "candidate", "champion"])
    return pd.DataFrame(columns=["measure", "candidate", "champion"])
