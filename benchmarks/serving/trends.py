"""Trends: slopes by least squares, and the last third of a series relative to the first."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

_HOUR = 3600.0


def slope(seconds: Sequence[float], values: Sequence[float]) -> float:
    """Return the growth of values per hour, by least squares; 0 with fewer than two points.

    Args:
        seconds: time of each value.
        values: series of values.
    """
    if len(seconds) != len(values):
        raise ValueError(f"{len(seconds)} times and {len(values)} values")
    if len(set(seconds)) < 2:
        return 0.0
    at = np.asarray(seconds, float) - np.mean(seconds)
    return float(_HOUR * (at @ np.asarray(values, float)) / (at @ at))


def growth(seconds: Sequence[float], values: Sequence[float]) -> float:
    """Return the growth over the whole time, relative to the start, by the same line."""
    if not values:
        return 0.0
    gained = slope(seconds, values) * (max(seconds) - min(seconds)) / _HOUR
    began = statistics.fmean(values) - gained / 2
    return gained / began if began > 0 else 0.0


def drift(values: Sequence[float]) -> float:
    """Return the median of the last third over that of the first: 1.0 without change.

    Raises:
        ValueError: there are fewer than three values.
    """
    first, last = _ends(values)
    return last / first if first else 1.0


def gained(values: Sequence[float]) -> float:
    """Return the median of the last third minus that of the first.

    Raises:
        ValueError: there are fewer than three values.
    """
    first, last = _ends(values)
    return last - first


def _ends(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 3:
        raise ValueError(f"{len(values)} values cannot be cut into thirds")
    third = len(values) // 3
    return statistics.median(values[:third]), statistics.median(values[-third:])
