"""An explanation in the form of `GET /explain/{bid_id}`, for what shows one; a test of the API holds that it has it."""

from __future__ import annotations

from typing import Any


def explanation(bid_id: str = "b-1", again: int = 1_234) -> dict[str, Any]:
    """Of a bid of 1,234 micros for a conversion, worth 1,250, at multiplier 1.5, shaded."""
    return {
        "bid_id": bid_id,
        "price_micros": 1_234,
        "recomputed_micros": again,
        "equal": again == 1_234,
        "at": "2026-11-26T00:00:00.000+00:00",
        "campaign": "spring",
        "creative": "a",
        "experiment": None,
        "request": {"id": "r", "exchange": "default", "tmax_ms": 300, "is_challenger": False, "imps": 1},
        "imp": {
            "id": "1",
            "format": "banner",
            "sizes": ["300x250"],
            "position": 0,
            "tag": "",
            "auction": "first price",
            "deal": None,
            "floor_cpm": 0.5,
            "inventory": "site",
            "publisher": "n.example",
            "country": "USA",
            "region": "USA/CA",
            "devicetype": 4,
            "hour_of_week": 7,
            "segments": ["s1", "s2"],
            "user_known": True,
        },
        "features": [
            {"field": "country", "value": "USA", "bucket": 17},
            {"field": "segments", "value": "s1", "bucket": 4},
        ],
        "price": {
            "pays_for": "conversion",
            "value_micros": 250_000,
            "pctr": 0.01,
            "pcvr": 0.5,
            "pctr_again": 0.01,
            "chance": 0.005,
            "level_micros": 1_875.0,
            "multiplier": 1.5,
            "cap_micros": None,
            "by_value_micros": 1_875,
            "market_median_micros": 900.0,
            "market_shape": 3.0,
            "shaded_off_micros": 641,
            "floor_micros": 500,
            "agreed_micros": None,
            "price_micros": 1_234,
            "quantity": 1.0,
            "reserved_micros": 1_234,
            "sent": {"cpm": 1.234, "currency": "USD", "rate": 1.0},
        },
        "candidates": [
            _candidate("spring", "won") | _bid(1_234),
            _candidate("summer", "below its floor: 120 of 500 micros") | _bid(120),
            _candidate("autumn", "not open: [paused]"),
        ],
        "dropped": {
            "campaigns": 3,
            "by_reason": {"countries": 3, "creative": 1},
            "each": [{"campaign": f"c{number}", "failed": ["countries"]} for number in range(3)],
            "left_out": 0,
        },
        "lease": {
            "lease": "00000000000000ab",
            "sequence": 1,
            "account": 7,
            "expires_at": "2026-11-26T01:00:00.000+00:00",
        },
        "made_by": {
            "catalog": "k1",
            "ctr_model": "c1",
            "policy": "p1",
            "pacing_table": "t1",
            "opened_by": None,
            "rules": "r1",
            "features": "features-2",
            "observation": "observation-3",
        },
        "outcome": [
            {
                "kind": "bill",
                "at": "2026-11-26T00:00:01+00:00",
                "outcome": "settled",
                "price_micros": 1_000,
                "min_to_win_micros": None,
            }
        ],
    }


def _candidate(name: str, ended: str) -> dict[str, Any]:
    prediction = {"pctr": 0.01, "pcvr": 0.5, "floor_micros": 500}
    return {"campaign": name, "creative": "a", "format": "banner", "deal": None, **prediction, "ended": ended}


def _bid(price: int) -> dict[str, Any]:
    return {"value_micros": 250_000, "multiplier": 1.5, "before_shading_micros": price + 641, "price_micros": price}
