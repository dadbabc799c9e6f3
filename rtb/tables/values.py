"""Values of cells: numbers as different programs write them, and their spellings of absent values."""

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
"""Spellings in lower case; `\\N` is written by Hive and MySQL, `nan`, `None` and `<NA>` by pandas."""

_WHOLE = re.compile(r"[+-]?(\d{1,18})(?:\.0*)?", re.ASCII)
_SHOWN = 40


class BadLine(ValueError):
    """An invalid line; the message says why."""


def is_absent(text: str) -> bool:
    """Return whether a cell is empty or spells an absent value."""
    return text.strip().lower() in _ABSENT


def identifier(text: str) -> str:
    """Return an id as it was before a program took it for a number (`2997.0`); empty where it is absent."""
    text = text.strip()
    if is_absent(text):
        return ""
    number, dot, zeros = text.partition(".")
    return number if dot and zeros.strip("0") == "" and number.isascii() and number.isdigit() else text


def whole(text: str, name: str, least: int, most: int, what: str = "a whole number") -> int:
    """Return a whole number, written with or without a fraction of zeros.

    Args:
        text: text of the cell.
        name: name of its column.
        least: least allowed value.
        most: greatest allowed value.
        what: description of the value for the message; its range follows.

    Raises:
        BadLine: the text is not such a number.
    """
    found = _WHOLE.fullmatch(text.strip())
    number = int(text.strip().partition(".")[0]) if found else None
    if number is None or not least <= number <= most:
        raise BadLine(f"{name} is {text[:_SHOWN]!r}, not {what} from {least} to {most}")
    return number


def flag(text: str, name: str) -> int:
    """Return 0 or 1 from a number, with or without a fraction of zeros, or from `False` and `True`.

    Raises:
        BadLine: the text is neither.
    """
    spelled = {"false": 0, "true": 1}.get(text.strip().lower())
    return whole(text, name, 0, 1) if spelled is None else spelled
