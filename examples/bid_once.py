"""One OpenRTB request and its bid, won and paid for.

    .venv/bin/python -m examples.bid_once

What to expect: the bid's price and campaign, then what the ledger charged for it: the clearing price, not the bid.
"""

from __future__ import annotations

import sys

from examples.campaigns import books
from examples.connection import connect
from examples.exchange import offer, sell

OFFERS = 10
"""Number of attempts: right after a start some answers come too late for `tmax`."""


def main() -> None:
    """Bid, win, pay."""
    with connect() as platform:
        bid = next(filter(None, (offer(platform) for _ in range(OFFERS))), None)
        if bid is None:
            sys.exit("no bid: /stats counts why; `make up` registers campaigns that fit this request")
        print(f"bid {bid['id']}: {bid['price']} CPM by campaign {bid['cid']}")
        before = books(platform, bid["cid"])["spent_micros"]
        cleared = round(bid["price"] * 0.9, 3)
        sell(platform, bid, cleared)
        charged = books(platform, bid["cid"])["spent_micros"] - before
        print(f"cleared at {cleared} CPM: {charged} micros were charged")


if __name__ == "__main__":
    main()
