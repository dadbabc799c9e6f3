"""Values of a request or an answer as JSON has them, read with forgiveness: a wrong type reads as absent."""

from __future__ import annotations

import math
from typing import Any

Json = dict[str, Any]


def text(value: Any) -> str:
    """A string; numbers as they are written; empty for everything else."""
    return "" if value is None or isinstance(value, dict | list | bool) else str(value)


def number(value: Any) -> float | None:
    """A finite number, written as one or as a string."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def integer(value: Any) -> int | None:
    """A whole number."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


def obj(value: Any) -> Json:
    """An object; empty for everything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """The entries of a list; a single value, as untidy exchanges send one, is a list of it."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def objects(value: Any) -> list[Json]:
    """The objects of a list."""
    return [item for item in items(value) if isinstance(item, dict)]


def texts(value: Any) -> list[str]:
    """The strings of a list, empty ones left out."""
    return [found for item in items(value) if (found := text(item))]


def integers(value: Any) -> list[int]:
    """The whole numbers of a list."""
    return [found for item in items(value) if (found := integer(item)) is not None]
