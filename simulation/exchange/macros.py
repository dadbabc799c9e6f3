"""The exchange's half of the substitution macros (OpenRTB 2.6, 4.4): filling them in."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

NAMES = frozenset(
    f"AUCTION_{name}"
    for name in (
        "ID",
        "BID_ID",
        "IMP_ID",
        "SEAT_ID",
        "AD_ID",
        "PRICE",
        "CURRENCY",
        "MBR",
        "LOSS",
        "MIN_TO_WIN",
        "MULTIPLIER",
        "IMP_TS",
    )
)
"""All macros of the specification, without `${}`."""

_MACRO = re.compile(r"\$\{(AUCTION_[A-Z_]+)(:B64)?\}")


def fill_url(url: str, values: Mapping[str, str]) -> str:
    """Return a notice URL with its macros filled in, values percent-encoded; see `fill_markup`."""
    return _fill(url, values, _percent_encoded)


def fill_markup(markup: str, values: Mapping[str, str]) -> str:
    """Return markup with its macros filled in.

    A macro of the specification without a value becomes empty, `${NAME:B64}` becomes base64, and text that only looks
    like a macro stays.

    Args:
        markup: an `adm`.
        values: values by name, for example `AUCTION_PRICE`.
    """
    return _fill(markup, values, str)


def _fill(text: str, values: Mapping[str, str], encoded: Callable[[str], str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, in_base64 = match[1], match[2]
        if name not in NAMES:
            return match[0]
        plain = values.get(name, "")
        return base64.urlsafe_b64encode(plain.encode()).decode() if in_base64 else encoded(plain)

    return _MACRO.sub(value, text)


def _percent_encoded(value: str) -> str:
    return quote(value, safe="")


def price_text(cpm: float) -> str:
    """Format a price for a macro: the shortest decimal number that parses back to it, without an exponent."""
    text = repr(cpm)
    return f"{cpm:.9f}" if "e" in text else text
