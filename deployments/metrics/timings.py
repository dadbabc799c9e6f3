"""Durations and batch sizes, as histograms that all replicas share.

A histogram is counters in the tally, one a bucket and one for the sum, so any replica reports those of all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple

from deployments.tally import Tally

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_MICRO = 1_000_000


class TimingHistogram(NamedTuple):
    """A histogram.

    Attributes:
        metric: its name in Prometheus.
        about: its description.
        label: name of its label, empty where it has none.
        values: values of the label.
        bounds: upper ends of its buckets; one without an end follows.
        scale: what the sum is multiplied by before it is counted: counters are whole numbers.
    """

    metric: str
    about: str
    label: str
    values: tuple[str, ...]
    bounds: tuple[float, ...]
    scale: int = _MICRO


HISTOGRAMS: Mapping[str, TimingHistogram] = {
    "request": TimingHistogram(
        "raybid_request_duration_seconds",
        "From a request's first byte read here to its answer.",
        "kind",
        ("bid", "notice"),
        SECONDS,
    ),
    "stage": TimingHistogram(
        "raybid_stage_duration_seconds",
        "Of a batch in a stage, the way there and back included.",
        "stage",
        ("assemble", "score", "decide", "render"),
        SECONDS,
    ),
    "batch": TimingHistogram(
        "raybid_batch_requests", "Requests that went through the stages together.", "", ("",), SIZES, 1
    ),
}
"""The histograms by the first part of their counters' names, as in `request.bid.3`, `request.bid.sum`."""


class Timings:
    """Counts measurements."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._names = {
            (name, value): [f"{name}.{value}.{bucket}" for bucket in (*range(len(one.bounds) + 1), "sum")]
            for name, one in HISTOGRAMS.items()
            for value in one.values
        }

    def note(self, name: str, value: str, amount: float) -> None:
        """Count a measurement.

        Args:
            name: the histogram's.
            value: its label's.
            amount: seconds, or how many.
        """
        histogram, names = HISTOGRAMS[name], self._names[name, value]
        self._tally.add(names[bisect_left(histogram.bounds, amount)])
        self._tally.add(names[-1], round(amount * histogram.scale))
