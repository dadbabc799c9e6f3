"""A campaign with a small budget that bids until the money is spent, and not a micro more.

    .venv/bin/python -m examples.campaign_spends

What to expect: a line per second with its spend, bids that stop, and the books: spend is at most the budget.
"""

from __future__ import annotations

import sys
import time

from examples.campaigns import books, make
from examples.connection import connect
from examples.exchange import trade

BUDGET_MICROS = 100_000  # a tenth of a unit: a few dozen impressions
SECONDS = 60.0


def main() -> None:
    """Create the campaign, sell it impressions until its money is gone, show its books."""
    name = f"example-{time.time_ns() // 1_000_000}"
    with connect() as platform:
        make(platform, name, BUDGET_MICROS, seconds=10, country="USA")
        began = told = time.monotonic()
        while (spent := books(platform, name)["spent_micros"]) < 0.9 * BUDGET_MICROS:
            if time.monotonic() > began + SECONDS:
                sys.exit(f"only {spent:,} of {BUDGET_MICROS:,} micros spent in {SECONDS:.0f} s: it was outbid")
            for _ in range(20):
                trade(platform, name)
            if time.monotonic() > told + 1:
                told = time.monotonic()
                print(f"{spent:>8,} of {BUDGET_MICROS:,} micros spent")
        bought = sum(trade(platform, name) for _ in range(200))  # the rest of the money pays for few of these
        end = books(platform, name)
        platform.post(f"/campaign/{name}/pause")
    print(f"then it bought {bought} of 200 impressions")
    print(f"spent {end['spent_micros']:,} of {end['budget_micros']:,} micros with {end['bills']} impressions")
    if end["spent_micros"] > end["budget_micros"]:
        sys.exit("it spent more than it had: this is a bug")


if __name__ == "__main__":
    main()
