"""Price macros: what we put into notice URLs, and what comes back once an exchange has filled them in."""

from __future__ import annotations

import re

from rtb.money import MoneyError, cpm_to_micros

AUCTION_PRICE = "${AUCTION_PRICE}"
AUCTION_LOSS = "${AUCTION_LOSS}"
AUCTION_MIN_TO_WIN = "${AUCTION_MIN_TO_WIN}"

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""A price as exchanges write one; Python's `float` would take `1_0` and `nan` as well."""


class PriceError(ValueError):
    """A price parameter that holds no price; `reason` is a short counter name."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def parse_price(text: str) -> int:
    """Clearing price of one impression in micros, from the CPM an exchange put into `${AUCTION_PRICE}`.

    Raises:
        PriceError: `unfilled` (macro left in place or empty), `audit` (a test of the URL), or `not_a_price`.
    """
    if not text or text.startswith(("${", "%24%7B")):
        raise PriceError("unfilled", "the price macro was not filled in")
    if text.upper() == "AUDIT":
        raise PriceError("audit", "the price is AUDIT: a check of the URL, not a sale")
    if not _NUMBER.fullmatch(text):
        raise PriceError("not_a_price", f"{text[:40]!r} is not a price")
    try:
        return cpm_to_micros(float(text))
    except MoneyError as error:
        raise PriceError("not_a_price", str(error)) from error
