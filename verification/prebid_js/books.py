"""The platform's books beside what the page did, for the campaign of each ad unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_MICROS_PER_CPM = 1_000


class AdBooks(NamedTuple):
    """The books of one ad.

    Attributes:
        bills: billing notices that the platform settled.
        spent_micros: what it spent.
        clicks: clicks that it counted.
        price: CPM of the bid; none: there was no bid.
        sent: billing notices that the browser sent.
        landings: visits to the landing page.
        bills_by_markup: whether its markup sends the billing notice too.
    """

    bills: int
    spent_micros: int
    clicks: int
    price: float | None
    sent: int
    landings: int
    bills_by_markup: bool = False


def billing_faults(books: Mapping[str, AdBooks]) -> list[str]:
    """Return in words which ads were not billed once, for the price of the bid, by one notice of each who may."""
    return [
        f"{code}: billed {one.bills} times, {one.spent_micros} micros, for {one.price} CPM; {one.sent} notices sent"
        for code, one in books.items()
        if one.price is None
        or (one.bills, one.spent_micros) != (1, round(one.price * _MICROS_PER_CPM))
        or not 1 <= one.sent <= 1 + one.bills_by_markup
    ]


def click_faults(books: Mapping[str, AdBooks]) -> list[str]:
    """Return in words which ads were not clicked once and led to their landing page."""
    return [
        f"{code}: {one.clicks} clicks counted, landing page opened {one.landings} times"
        for code, one in books.items()
        if (one.clicks, one.landings) != (1, 1)
    ]
