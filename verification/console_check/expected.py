"""Expected figures on the pages, computed from the API's answers independently of the console."""

from __future__ import annotations

from typing import Any

import httpx

Shown = dict[str, str]


def overview(api: httpx.Client, currency: str) -> Shown:
    """Return the figures of the tab Overview that are constant after traffic has ended."""
    stats, campaigns = api.get("/stats").json(), api.get("/campaigns").json()
    counters, figures = stats["counters"], stats["campaigns"]
    sums = {
        name: sum(one[name] for one in figures.values()) for name in ("bids", "wins", "bills", "clicks", "spent_micros")
    }
    value = sum(_worth(one, figures[one["id"]]) for one in campaigns)
    spent = sums["spent_micros"]
    return {
        "Requests": f"{counters['requests']:,}",
        "Answered": _percent(counters["bid_responses"], counters["requests"], 2),
        "Bids": f"{sums['bids']:,}",
        "Win rate": _percent(sums["wins"], sums["bids"], 2),
        "CTR": _percent(sums["clicks"], sums["bills"], 3),
        f"Spend, {currency}": _amount(spent),
        "ROI": _percent(value - spent, spent, 1),
        f"eCPC, {currency}": _amount(spent / sums["clicks"]),
    }


def money(api: httpx.Client, currency: str) -> Shown:
    """Return the figures of the tab Money."""
    stats = api.get("/stats").json()
    ledger, figures = stats["ledger"], stats["campaigns"]
    impressions = sum(one["bills"] for one in figures.values())
    return {
        f"Budget, {currency}": _amount(ledger["budget_micros"]),
        f"Spent, {currency}": _amount(ledger["spent_micros"]),
        "Budget spent": _percent(ledger["spent_micros"], ledger["budget_micros"], 3),
        f"eCPM, {currency}": _amount(1_000 * ledger["spent_micros"] / impressions),
    }


def control(api: httpx.Client, campaign: str, currency: str) -> Shown:
    """Return a campaign's figures in the tab Control; its portfolio can still move its budget."""
    one = api.get(f"/campaign/{campaign}").json()
    return {
        "Status": one["status"],
        "Version": str(one["version"]),
        f"Spent, {currency}": _amount(one["figures"]["spent_micros"]),
        "Bids": f"{one['figures']['bids']:,}",
        "Wins": f"{one['figures']['wins']:,}",
    }


def portfolio(api: httpx.Client, name: str, currency: str) -> Shown:
    """Return a portfolio's figures in the tab Portfolio; it must be paused, or it keeps deciding."""
    one = api.get(f"/portfolio/{name}").json()
    return {
        "Strategy": one["strategy"],
        "Decisions": f"{one['decisions']:,}",
        f"Budgets, {currency}": _amount(one["total_micros"]),
        f"Spend, {currency}": _amount(one["figures"]["spend_micros"]),
        "ROI": _percent(one["figures"]["roi"], 1.0, 1),
    }


def explanation(api: httpx.Client, bid_id: str) -> Shown:
    """Return a bid's figures in the tab Auctions; its recomputed price must be equal."""
    one = api.get(f"/explain/{bid_id}").raise_for_status().json()
    return {
        "Bid, micros": f"{one['price_micros']:,}",
        "Recomputed": f"{one['price_micros']:,}",
        "Equal": "yes",
        "Sent, CPM": str(one["price"]["sent"]["cpm"]),
        "Candidates": f"{len(one['candidates']):,}",
        "Excluded": f"{one['dropped']['campaigns']:,}",
    }


def _worth(campaign: dict[str, Any], figures: dict[str, int]) -> int:
    goal = campaign["goal"]
    worth: int = goal["value_micros"] * figures["clicks" if goal["kind"] == "click" else "conversions"]
    return worth


def _percent(part: float, whole: float, digits: int) -> str:
    return f"{100 * part / whole:,.{digits}f}%"


def _amount(micros: float) -> str:
    return f"{micros / 1e6:,.{2 if abs(micros) >= 100e6 or micros == 0 else 4}f}"
