"""Admission control: admitted requests are answered in time, and the others are shed at once.

A replica knows the recent duration of its batches and the number of queued requests. Both predict how long one more
will take; where the exchange does not wait that long, the request is shed.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

PROBE_SECONDS = 0.1
"""Interval of probes: while shedding, one request is admitted in this time to detect recovery."""

_SAMPLES = 64
_NEW_PART = 8  # quantiles are recomputed when one sample in so many is new
_OLDEST_SECONDS = 5.0


class ShedReason(StrEnum):
    """Reasons to shed a request; the value is the name of the counter."""

    QUEUE = "shed_queue"
    LATENCY = "shed_latency"


class LatencyWindow:
    """The median and 95th percentile of the last samples, without old ones.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self._new = 0
        self._stale_at = math.inf
        self._middle, self._high = 0.0, 0.0

    def note(self, value: float) -> None:
        """Add a sample."""
        now = self._clock()
        self._samples.append((now, value))
        self._new += 1
        if self._new * _NEW_PART >= len(self._samples):
            self._work_out(now)

    def middle(self, now: float) -> float:
        """Return the median, 0 without samples."""
        if now >= self._stale_at:
            self._work_out(now)
        return self._middle

    def high(self, now: float) -> float:
        """Return the 95th percentile, 0 without samples."""
        if now >= self._stale_at:
            self._work_out(now)
        return self._high

    def _work_out(self, now: float) -> None:
        """Recompute both quantiles, without samples that are too old."""
        self._new = 0
        while self._samples and self._samples[0][0] <= now - _OLDEST_SECONDS:
            self._samples.popleft()
        values = sorted(value for _, value in self._samples)
        self._middle = values[len(values) // 2] if values else 0.0
        self._high = values[math.ceil(len(values) * 0.95) - 1] if values else 0.0
        self._stale_at = self._samples[0][0] + _OLDEST_SECONDS if values else math.inf


class Admission:
    """The decision to admit or shed a request.

    Args:
        max_batch: most requests in one batch.
        in_flight: batches in flight at once.
        max_queue: most queued requests.
        clock: monotonic seconds.
    """

    def __init__(
        self, *, max_batch: int, in_flight: int, max_queue: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._a_round = max_batch * in_flight
        self._max_queue = max_queue
        self._clock = clock
        self._batches = LatencyWindow(clock)
        self._rest = LatencyWindow(clock)
        self._admitted = -math.inf

    def batch_took(self, seconds: float) -> None:
        """Record the duration of a batch."""
        self._batches.note(seconds)

    def rest_took(self, seconds: float) -> None:
        """Record the time a request spent outside the batcher: being read, decoded and sent."""
        self._rest.note(seconds)

    def expects(self, waiting: int, is_busy: bool, now: float) -> float:
        """Return the predicted seconds to answer a request that comes now.

        Args:
            waiting: number of queued requests.
            is_busy: whether no batch can start before another has ended.
            now: monotonic seconds.
        """
        rounds_before = waiting // self._a_round + is_busy
        return self._rest.high(now) + self._batches.high(now) + rounds_before * self._batches.middle(now)

    def refuses(self, seconds: float, waiting: int, is_busy: bool, coming: int = 1) -> ShedReason | None:
        """Return why a request is shed; `None` where it is admitted.

        Args:
            seconds: seconds left to answer it.
            waiting: number of queued requests.
            is_busy: whether no batch can start before another has ended.
            coming: number of requests in the call. They stay together, so an empty queue takes any number.
        """
        if waiting and waiting + coming > self._max_queue:
            return ShedReason.QUEUE
        now = self._clock()
        if self.expects(waiting, is_busy, now) > seconds and now - self._admitted < PROBE_SECONDS:
            return ShedReason.LATENCY
        self._admitted = now
        return None
