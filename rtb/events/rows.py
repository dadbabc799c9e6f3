"""Increments that events add to the books, as rows that need no pyarrow: spend by the hour, and budget moves."""

from __future__ import annotations

from typing import NamedTuple


class Spend(NamedTuple):
    """The spend of a campaign in an hour, or an increment to it.

    Attributes:
        campaign: number of the campaign.
        hour: Unix second at which the hour begins, UTC, by the ids of the stream.
        settled: number of charged bids.
        micros: sum of the charges.
        wins: number of win notices.
        clicks: number of click notices.
        conversions: number of conversion notices.
    """

    campaign: int
    hour: int
    settled: int
    micros: int
    wins: int
    clicks: int
    conversions: int


class MoveRecord(NamedTuple):
    """Budget moved from one campaign to another.

    Attributes:
        portfolio: id of the portfolio.
        at: Unix time.
        source: number of the campaign that gave budget.
        target: number of the campaign that got it.
        micros: amount, above 0.
        because: reason, for people.
    """

    portfolio: str
    at: float
    source: int
    target: int
    micros: int
    because: str
