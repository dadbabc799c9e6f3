"""Lenient access to JSON values of a request or an answer: a wrong type reads as absent."""

from __future__ import annotations

import math
from typing import Any

Json = dict[str, Any]


def text(value: Any) -> str:
    """Return a string; numbers in decimal digits; empty for everything else."""
    if value is None or isinstance(value, dict | list | bool):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def number(value: Any) -> float | None:
    """Return a finite number, also if written as a string."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):  # Python alone reads 1_000
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def integer(value: Any) -> int | None:
    """Return a whole number."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


def obj(value: Any) -> Json:
    """Return an object; empty for everything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return the entries of a list; a single value, as some exchanges send, counts as a list of one."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def objects(value: Any) -> list[Json]:
    """Return the objects in a list."""
    return [item for item in items(value) if isinstance(item, dict)]


def texts(value: Any) -> list[str]:
    """Return the non-empty strings in a list."""
    return [found for item in items(value) if (found := text(item))]


def integers(value: Any) -> list[int]:
    """Return the whole numbers in a list."""
    return [found for item in items(value) if (found := integer(item)) is not None]
