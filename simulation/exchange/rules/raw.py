"""Lenient access to JSON values of a request or an answer: a wrong type reads as absent."""

from __future__ import annotations

import math
import re
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
    """Return the entries of a list; a single value, as some exchanges send, counts as a list of one.

    An object whose names are numbers is a list as PHP writes one with gaps.
    """
    if value is None or value in ("", {}):
        return []
    if isinstance(value, dict) and all(name.isdecimal() for name in value):
        return [*value.values()]
    return value if isinstance(value, list) else [value]


def objects(value: Any) -> list[Json]:
    """Return the objects in a list."""
    return [item for item in items(value) if isinstance(item, dict)]


def texts(value: Any) -> list[str]:
    """Return the non-empty strings in a list."""
    return [found for item in items(value) if (found := text(item))]


def listed(value: Any) -> list[str]:
    """Return names of a list of which an entry, or the list itself, may hold several: `"a.org, b.org"`."""
    return [name for item in texts(value) for part in item.split(",") if (name := part.strip())]


def categories(value: Any, taxonomy: int = 1) -> list[str]:
    """Return codes of a list of categories, spelled as Content Categories 1.0 has them: `iab-01` is `IAB1`."""
    names = listed(value)
    return [_category(name) for name in names] if taxonomy == 1 else names


def _category(name: str) -> str:
    tiers = [part for part in re.split(r"[^0-9]+", name) if part]
    if not re.fullmatch(r"(?i)iab[-_ ]?\d+([-_.]\d+)?", name):
        return name
    return "IAB" + "-".join(str(int(tier)) for tier in tiers)


def host(name: str) -> str:
    """Return the domain in a name, a URL or a wildcard of its subdomains, in lower case."""
    plain = re.sub(r"^[a-z]+://", "", name.strip().lower())
    return re.split(r"[/:?#]", plain)[0].removeprefix("*.").removeprefix("www.").strip(".")


def integers(value: Any) -> list[int]:
    """Return the whole numbers in a list."""
    return [found for item in items(value) if (found := integer(item)) is not None]
