"""Slices of a soak, each with everything filled in but what a test is about."""

from __future__ import annotations

from benchmarks.serving.processes import ProcessUsage
from benchmarks.serving.soak import Slice
from benchmarks.serving.wrk import Load


def make_slice(seconds: float, *, mib: float = 100.0, more: int = 0, p99_ms: float = 10.0, pid: int = 7) -> Slice:
    load = Load(3_000, 10.0, 900, 0, p50_ms=4.0, p90_ms=6.0, p99_ms=p99_ms, max_ms=50.0)
    return Slice(seconds, load, {"Router": ProcessUsage(mib, 60 + more, 20, 30 + more)}, {"Router": pid})
