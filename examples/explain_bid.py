"""Explain a bid.

    .venv/bin/python -m examples.explain_bid

What to expect: the steps from a click's value to the price, the other candidates, and the recomputed price.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import httpx

from examples.connection import connect

SLOT = {"w": 300, "h": 250, "page": "https://news-001.example/today", "floor": 0.05, "device": "phone", "geo": "USA/CA"}


def main() -> None:
    """Bid, and ask for the explanation."""
    with connect() as platform:
        answer = platform.post("/bid", json=SLOT).json()
        if not answer["bid"]:
            sys.exit(f"no bid ({answer['reason']}): {answer['message']}")
        told = _explained(platform, answer["bid_id"])
    for step, value in told["price"].items():
        print(f"{step:>22}  {value}")
    for one in told["candidates"][:5]:
        print(f"{one['campaign']:>22}  {one['ended']}")
    print(f"bid {told['price_micros']} micros, recomputed {told['recomputed_micros']}")
    if not told["equal"]:
        sys.exit("the price does not match")


def _explained(platform: httpx.Client, bid_id: str) -> dict[str, Any]:
    time.sleep(1.0)  # with several replicas, another one may hold the record for half a second
    told: dict[str, Any] = platform.get(f"/explain/{bid_id}").json()
    return told


if __name__ == "__main__":
    main()
