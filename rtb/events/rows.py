"""What events add to the books, as rows that need no pyarrow: what campaigns spent by the hour, and budgets moved."""

from __future__ import annotations

from typing import NamedTuple


class Spend(NamedTuple):
    """What a campaign came to in an hour, or a part of it that is to be added.

    Attributes:
        campaign: its number.
        hour: Unix second at which the hour begins, UTC; that of the stream, as the files have it.
        settled: bids charged.
        micros: what they cost together.
        wins: win notices.
        clicks: click notices.
        conversions: conversion notices.
    """

    campaign: int
    hour: int
    settled: int
    micros: int
    wins: int
    clicks: int
    conversions: int


class Moved(NamedTuple):
    """Budget that went from one campaign to another.

    Attributes:
        portfolio: whose money it is.
        at: Unix time.
        source: number of the campaign that gave.
        target: number of the campaign that got.
        micros: above 0.
        because: why, for people.
    """

    portfolio: str
    at: float
    source: int
    target: int
    micros: int
    because: str
