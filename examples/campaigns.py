"""A campaign of one banner, and its books."""

from __future__ import annotations

from typing import Any

import httpx


def make(platform: httpx.Client, name: str, micros: int, seconds: int, country: str) -> None:
    """Create a campaign that may spend `micros` within `seconds`; it outbids the sample campaigns."""
    banner = {"id": "a", "w": 300, "h": 250, "image_url": "https://c.example/a.png"}
    campaign = {
        "id": name,
        "name": name,
        "adomain": ["shop.example"],
        "budget": {"total_micros": micros, "flight_seconds": seconds},
        "goal": {"kind": "click", "value_micros": 2_000_000},
        "targeting": {"countries": [country]},
        "creatives": [banner | {"landing_url": "https://shop.example/"}],
    }
    platform.post("/campaign/create", json=campaign)


def books(platform: httpx.Client, name: str) -> dict[str, Any]:
    """Return the ledger's figures of a campaign: `budget_micros`, `spent_micros`, `bills` and others."""
    figures: dict[str, Any] = platform.get(f"/campaign/{name}").json()["figures"]
    return figures
