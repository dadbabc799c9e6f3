"""Made-up markets, what bids in them say, and events of such bids."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rtb.events.schema import SCHEMA
from rtb.models.winrate import Evidence, PriceEvidence, market_key

Pattern = Literal["known", "own", "known_losses", "known_wins"]
PATTERNS: tuple[Pattern, ...] = ("known", "own", "known_losses", "known_wins")
"""All prices told; none; those of lost auctions only; those of auctions won only, as in second price."""

Floats = npt.NDArray[np.float64]


def prices(median: float, shape: float, count: int, seed: int) -> Floats:
    """Log-logistic."""
    return median * np.exp(np.random.default_rng([seed, 1]).logistic(size=count) / shape)


def evidence(price: Floats, bids: Floats, pattern: Pattern, half_life: float = 1e12) -> Evidence:
    """Of one campaign."""
    won = bids >= price
    told = {"known": np.ones(len(bids), bool), "own": np.zeros(len(bids), bool), "known_losses": ~won,
            "known_wins": won}[pattern]  # fmt: skip
    verdict = np.where(told, PriceEvidence.KNOWN, np.where(won, PriceEvidence.WON, PriceEvidence.LOST))
    found = Evidence(half_life=half_life)
    found.add(np.zeros(len(bids), np.intp), verdict, np.where(told, price, bids))
    return found


def events(*rows: dict[str, Any]) -> pa.Table:
    """Events of these fields, the rest null; `at` in seconds."""
    whole = [{"id": f"{n}-0", **row, "at": round(row.get("at", 0.0) * 1e6)} for n, row in enumerate(rows)]
    return pa.Table.from_pylist(whole, schema=SCHEMA)


MARKET = market_key(3, 4)
"""Where bids are made unless they say otherwise."""


def bid(name: str, micros: int, **fields: Any) -> dict[str, Any]:
    """Build a bid's event."""
    usual = {"campaign": 1, "floor_micros": 10, "first_price": True, "pctr": 0.01, "exchange": 3, "caller": 4}
    return {"kind": "bid", "bid": name, "price_micros": micros, **usual, **fields}


def notice(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """Build a notice's event; the ledger frees money on a loss and spends it on a bill."""
    usual = {"campaign": 1, "price_micros": 0, "outcome": {"loss": "freed", "bill": "settled"}.get(kind, "counted")}
    return {"kind": kind, "bid": name, **usual, **fields}
