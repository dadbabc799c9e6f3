"""What a cell says: numbers as several programs write them, absent values as they spell them."""

from __future__ import annotations

import re

_ABSENT = frozenset(
    [
        "",
        "null",
        "(null)",
        "<null>",
        "na",
        "<na>",
        "n/a",
        "#n/a",
        "nan",
        "-nan",
        "nat",
        "none",
        "nil",
        r"\n",
        "undefined",
    ]
)
"""In lower case; `\\N` is what Hive and MySQL write, pandas writes `nan`, `None` and `<NA>`."""

_WHOLE = re.compile(r"[+-]?(\d{1,18})(?:\.0*)?", re.ASCII)
_SHOWN = 40


class BadLine(ValueError):
    """A line that does not hold what it should; the message says why."""


def is_absent(text: str) -> bool:
    """Return whether a cell is empty, or spells that it is."""
    return text.strip().lower() in _ABSENT


def identifier(text: str) -> str:
    """Return an id as it was before a program took it for a number (`2997.0`), or empty where it is absent."""
    text = text.strip()
    if is_absent(text):
        return ""
    number, dot, zeros = text.partition(".")
    return number if dot and zeros.strip("0") == "" and number.isascii() and number.isdigit() else text


def whole(text: str, name: str, least: int, most: int, what: str = "a whole number") -> int:
    """Return a whole number, with or without zeros behind a point.

    Args:
        text: of the cell.
        name: of its column.
        least: that it may be.
        most: that it may be.
        what: it should be, for the message; its range follows.

    Raises:
        BadLine: it is another thing.
    """
    found = _WHOLE.fullmatch(text.strip())
    number = int(text.strip().partition(".")[0]) if found else None
    if number is None or not least <= number <= most:
        raise BadLine(f"{name} is {text[:_SHOWN]!r}, not {what} from {least} to {most}")
    return number


def flag(text: str, name: str) -> int:
    """Return 0 or 1, written so, with zeros behind a point, or as `False` and `True`.

    Raises:
        BadLine: it is another thing.
    """
    spelled = {"false": 0, "true": 1}.get(text.strip().lower())
    return whole(text, name, 0, 1) if spelled is None else spelled
