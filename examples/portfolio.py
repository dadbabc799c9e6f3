"""Two campaigns that share their budgets: the money goes to the one that can buy impressions.

    .venv/bin/python -m examples.portfolio

What to expect: a line for each move of money with its reason, from the campaign without impressions to the other one.
The sum stays the same to the micro.
"""

from __future__ import annotations

import sys
import time

import httpx

from examples.campaigns import books, make
from examples.connection import connect
from examples.exchange import trade

EACH_MICROS = 5_000_000
SECONDS = 60.0
CLICK_EVERY = 20


def main() -> None:
    """Create both, sell to one of them only, and watch the portfolio move money."""
    mark = time.time_ns() // 1_000_000
    sold, unsold, both = f"sold-{mark}", f"unsold-{mark}", f"both-{mark}"
    share = {"id": both, "strategy": "dual", "interval_seconds": 2, "least_move": 0.01}
    with connect() as platform:
        for name, country in ((sold, "USA"), (unsold, "ATA")):  # nobody sells impressions in Antarctica
            make(platform, name, EACH_MICROS, seconds=60, country=country)
        platform.post("/portfolio/create", json=share | {"members": [{"campaign": sold}, {"campaign": unsold}]})
        moves = _watch(platform, both, sold)
        budgets = [books(platform, name)["budget_micros"] for name in (sold, unsold)]
        version = platform.get(f"/portfolio/{both}").headers["ETag"]
        platform.delete(f"/portfolio/{both}", headers={"If-Match": version})
        for name in (sold, unsold):
            platform.post(f"/campaign/{name}/pause")
    print(f"now {budgets[0]:,} and {budgets[1]:,} micros, together {sum(budgets):,}")
    if not moves or sum(budgets) != 2 * EACH_MICROS:
        sys.exit("no money moved, or the sum changed: this is a bug")


def _watch(platform: httpx.Client, portfolio: str, name: str) -> int:
    """Sell to one campaign, with some clicks, until money has moved; return the number of moves."""
    began, won = time.monotonic(), 0
    while time.monotonic() < began + SECONDS:
        for _ in range(50):
            won += trade(platform, name, is_clicked=won % CLICK_EVERY == 0)
        if moves := platform.get(f"/portfolio/{portfolio}/history").json():
            for move in moves:
                print(f"{move['micros']:,} micros from {move['source']} to {move['target']}: {move['because']}")
            return len(moves)
    return 0


if __name__ == "__main__":
    main()
