"""Price macros: those put into notice URLs, and the values that exchanges fill in."""

from __future__ import annotations

import base64
import re
from typing import NamedTuple

from rtb.money.currency import micros_at
from rtb.money.micros import MoneyError

AUCTION_PRICE = "${AUCTION_PRICE}"
AUCTION_LOSS = "${AUCTION_LOSS}"
AUCTION_MIN_TO_WIN = "${AUCTION_MIN_TO_WIN}"
AUCTION_CURRENCY = "${AUCTION_CURRENCY}"
AUCTION_MULTIPLIER = "${AUCTION_MULTIPLIER}"

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""A price as exchanges write one; Python's `float` would take `1_0` and `nan` as well."""

_URL_SAFE = str.maketrans("-_ ", "+/+")  # a space was a plus before the query was decoded
_PLUS_OF_EXPONENT = re.compile(r"(?<=[0-9.][eE]) (?=[0-9])")
_MOST_QUANTITY, _LEAST_QUANTITY = 1e9, 1e-12
_QUANTITY_CHARACTERS = 40


class PriceError(ValueError):
    """An invalid price parameter; `reason` is a short counter name."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Price(NamedTuple):
    """A price from a notice.

    Attributes:
        micros: price in our currency, of one impression unless another quantity was asked for.
        is_encoded: whether it came in base64, as `${AUCTION_PRICE:B64}` asks for.
    """

    micros: int
    is_encoded: bool


def read_price(text: str | None, rate: float = 1.0, quantity: float = 1.0) -> Price:
    """Return the clearing price from the CPM in `${AUCTION_PRICE}`, in base64 or not.

    Args:
        text: text of the parameter; none: it is missing.
        rate: units of the price's currency that one unit of ours is worth.
        quantity: impressions to price.

    Raises:
        PriceError: `unfilled` (macro left in place, or no price at all), `empty` (macro replaced by nothing, as
            OpenRTB asks where there is no value), `audit` (a test of the URL), `negative`, or `not_a_price`.
    """
    try:
        return Price(parse_price(text, rate, quantity), False)
    except PriceError as error:
        inner = _decoded(text) if text and error.reason == "not_a_price" else ""
        if not inner:
            raise
    return Price(parse_price(inner, rate, quantity), True)


def read_quantity(text: str) -> float | None:
    """Return the number of impressions in `${AUCTION_MULTIPLIER}`; `None` where it is no number above 0."""
    plain = _trimmed(text) or ""
    if len(plain) > _QUANTITY_CHARACTERS or not _NUMBER.fullmatch(plain):
        return None
    quantity = float(plain)
    return quantity if _LEAST_QUANTITY <= quantity < _MOST_QUANTITY else None


def _decoded(text: str) -> str:
    """Return a text decoded from base64, in either alphabet, padded or not; empty where it is not base64."""
    plain = text.translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("ascii")
    except ValueError:  # not base64, or not ASCII
        return ""


def parse_price(text: str | None, rate: float = 1.0, quantity: float = 1.0) -> int:
    """Return micros from a CPM in decimal digits; `rate` and `quantity` as for `read_price`.

    Raises:
        PriceError: see `read_price`.
    """
    text = _trimmed(text)
    if text is None or text.startswith(("${", "%24%7B")):
        raise PriceError("unfilled", "the price macro was not filled in")
    if not text:
        raise PriceError("empty", "the price macro was filled in with nothing")
    if text.upper() == "AUDIT":
        raise PriceError("audit", "the price is AUDIT: a check of the URL, not a sale")
    if text.startswith("-") and _NUMBER.fullmatch(text[1:]):
        raise PriceError("negative", f"the price {text[:40]!r} is negative")
    if not _NUMBER.fullmatch(text):
        raise PriceError("not_a_price", f"{text[:40]!r} is not a price")
    try:
        return micros_at(text, rate, quantity)
    except MoneyError as error:
        raise PriceError("not_a_price", str(error)) from error


def _trimmed(text: str | None) -> str | None:
    """Return a price without spaces around it; a plus sign became one when the query was decoded."""
    return text if text is None else _PLUS_OF_EXPONENT.sub("+", text.strip().removeprefix("+"))
