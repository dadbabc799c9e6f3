"""Bids, wins and charges by campaign, with pandas.

    .venv/bin/python -m examples.read_events

What to expect: a line per campaign. It needs events, from `make run`, `raybid replay` or the other examples. They are
in Parquet under `var/events` (RAYBID_VAR_DIR) a few seconds after they happened, in folders that pandas reads.
"""

from __future__ import annotations

import sys

import pandas as pd

from examples.connection import VAR_DIR


def main() -> None:
    """Read all events, and count them."""
    folder = VAR_DIR / "events"
    if not any(folder.glob("**/*.parquet")):
        sys.exit(f"no events in {folder}: make the platform bid first, and wait some seconds")
    events = pd.read_parquet(folder, columns=["kind", "campaign", "price_micros", "outcome"])
    table = pd.crosstab(events["campaign"], events["kind"])  # by campaign number, as in `GET /campaigns`
    charged = events[(events["kind"] == "bill") & (events["outcome"] == "settled")]
    table["spent_micros"] = charged.groupby("campaign")["price_micros"].sum()
    print(table.fillna(0).astype("int64").to_string())


if __name__ == "__main__":
    main()
