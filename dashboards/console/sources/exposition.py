"""Histograms from the text of `/metrics`, and their quantiles between two samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from prometheus_client.parser import text_string_to_metric_families

Floats = npt.NDArray[np.float64]


class Histogram(NamedTuple):
    """Cumulative counts by upper bound.

    Attributes:
        bounds: seconds, ascending; the last one is infinite. Shape `(n,)`.
        counts: number of values up to each bound, so ascending as well. Shape `(n,)`.
    """

    bounds: Floats
    counts: Floats

    @property
    def total(self) -> float:
        """Number of values."""
        return float(self.counts[-1]) if len(self.counts) else 0.0

    def since(self, earlier: Histogram | None) -> Histogram:
        """Return what was added after an earlier sample; everything if the bounds differ or counting restarted."""
        if earlier is None or not np.array_equal(earlier.bounds, self.bounds) or earlier.total > self.total:
            return self
        return Histogram(self.bounds, self.counts - earlier.counts)

    def quantile(self, part: float) -> float:
        """Return a quantile in seconds, interpolated as by Prometheus; NaN without values."""
        if self.total <= 0.0:
            return math.nan
        wanted = part * self.total
        at = int(np.searchsorted(self.counts, wanted))
        upper = float(self.bounds[at])
        lower = float(self.bounds[at - 1]) if at else 0.0
        if math.isinf(upper):  # the last finite bound is all that is known
            return lower
        before = float(self.counts[at - 1]) if at else 0.0
        inside = float(self.counts[at]) - before
        return lower + (upper - lower) * ((wanted - before) / inside if inside else 1.0)

    def within(self, seconds: float) -> float:
        """Return the share of values up to a time; NaN without values."""
        if self.total <= 0.0:
            return math.nan
        finite = np.isfinite(self.bounds)
        known = np.interp(seconds, np.r_[0.0, self.bounds[finite]], np.r_[0.0, self.counts[finite]])
        return float(known) / self.total


def of_times(seconds: Floats, bounds: Floats) -> Histogram:
    """Return a histogram of single times."""
    edges = np.r_[bounds, np.inf]
    counts: Floats = np.array([(seconds <= edge).sum() for edge in edges.tolist()], np.float64)
    return Histogram(edges, counts)


def histograms(text: str) -> dict[str, Histogram]:
    """Parse all histograms of times, by name and labels: `raybid_stage_duration_seconds{stage=score}`."""
    counts: dict[str, dict[float, float]] = {}
    for family in text_string_to_metric_families(text):
        if family.type != "histogram" or "seconds" not in family.name:
            continue
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                bounds = counts.setdefault(_name(family.name, sample.labels), {})
                bound = float(sample.labels["le"])
                bounds[bound] = bounds.get(bound, 0.0) + float(sample.value)
    return {name: _made(bounds) for name, bounds in counts.items()}


def of_requests(found: Mapping[str, Histogram]) -> Histogram | None:
    """Return the histogram of bid requests; None if there is none."""
    return found.get("raybid_request_duration_seconds{kind=bid}")


def of_stages(found: Mapping[str, Histogram]) -> dict[str, Histogram]:
    """Return the histograms of a request's stages, by stage."""
    before, after = "raybid_stage_duration_seconds{stage=", "}"
    return {name[len(before) : -len(after)]: one for name, one in found.items() if name.startswith(before)}


def _name(family: str, labels: Mapping[str, str]) -> str:
    said = ",".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "le")
    return f"{family}{{{said}}}" if said else family


def _made(bounds: Mapping[float, float]) -> Histogram:
    ordered = sorted(bounds)
    return Histogram(np.array(ordered), np.array([bounds[bound] for bound in ordered]))
