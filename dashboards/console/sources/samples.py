"""Samples of the platform's counters, taken while the console is open: rates of what has no events."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from threading import Lock
from typing import NamedTuple

import pandas as pd

from dashboards.console.sources.exposition import Histogram

_KEPT = 3_600
_LEAST_S = 0.9
"""Minimum time between two samples: shorter ones would give rates of single requests."""


class ConsoleSample(NamedTuple):
    """One sample.

    Attributes:
        at: Unix time.
        counters: counters by name, as in `/stats`.
        requests: latencies of bid requests, if `/metrics` has them.
        stages: latencies of their stages, likewise.
    """

    at: float
    counters: Mapping[str, int]
    requests: Histogram | None
    stages: Mapping[str, Histogram]


class Samples:
    """The samples of at most the last hour, usable from several threads."""

    def __init__(self) -> None:
        self._kept: deque[ConsoleSample] = deque(maxlen=_KEPT)
        self._lock = Lock()

    def add(self, sample: ConsoleSample) -> None:
        """Keep a sample, unless the last one is too recent."""
        with self._lock:
            if not self._kept or sample.at - self._kept[-1].at >= _LEAST_S:
                self._kept.append(sample)

    def last(self, seconds: float, now: float) -> list[ConsoleSample]:
        """Return the samples of the last seconds, oldest first."""
        with self._lock:
            return [one for one in self._kept if one.at >= now - seconds]


def rates(samples: list[ConsoleSample], names: Mapping[str, str]) -> pd.DataFrame:
    """Return counts per second between two samples, by UTC time of the later one; a restart gives 0, not a negative.

    Args:
        samples: samples, oldest first.
        names: label of each counter.
    """
    rows = [[one.counters.get(name, 0) for name in names] for one in samples]
    times = pd.to_datetime([one.at for one in samples], unit="s", utc=True)
    table = pd.DataFrame(rows, index=times, columns=list(names.values()), dtype="float64")
    seconds = pd.Series([one.at for one in samples], index=times, dtype="float64").diff()
    return table.diff().clip(lower=0.0).div(seconds, axis=0).iloc[1:]


def quantiles(samples: list[ConsoleSample], parts: Mapping[str, float]) -> pd.DataFrame:
    """Return quantiles in milliseconds of the requests between two samples, by UTC time."""
    known = [one for one in samples if one.requests is not None]
    rows, times = [], []
    for before, one in pairwise(known):
        assert one.requests is not None
        between = one.requests.since(before.requests)
        if between.total > 0.0:
            rows.append([1_000.0 * between.quantile(part) for part in parts.values()])
            times.append(one.at)
    index = pd.to_datetime(times, unit="s", utc=True)
    return pd.DataFrame(rows, index=index, columns=list(parts), dtype="float64")
