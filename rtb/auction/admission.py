"""Whether there is time for one more request: what is begun here is finished in time, and the rest is told so at once.

A replica knows how long its batches took lately and how many requests wait before the next one. Both tell how long that
one will take; when the exchange does not wait that long, the request is not begun.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

PROBE_SECONDS = 0.1
"""While everything is shed, one request in this time is let in all the same: who sheds all learns nothing more."""

_SAMPLES = 64
_NEW_PART = 8  # figures are worked out again when one sample in so many is new
_OLDEST_SECONDS = 5.0


class Shed(StrEnum):
    """Why a request is not begun; the value is its counter's name."""

    QUEUE = "shed_queue"
    LATENCY = "shed_latency"


class Recent:
    """High and middle of what was measured lately: the last samples, as far as they are not old.

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
        """The median, 0 while nothing is known."""
        if now >= self._stale_at:
            self._work_out(now)
        return self._middle

    def high(self, now: float) -> float:
        """The 95th percentile, 0 while nothing is known."""
        if now >= self._stale_at:
            self._work_out(now)
        return self._high

    def _work_out(self, now: float) -> None:
        """Both figures anew: some samples are new, or one is too old."""
        self._new = 0
        while self._samples and self._samples[0][0] <= now - _OLDEST_SECONDS:
            self._samples.popleft()
        values = sorted(value for _, value in self._samples)
        self._middle = values[len(values) // 2] if values else 0.0
        self._high = values[math.ceil(len(values) * 0.95) - 1] if values else 0.0
        self._stale_at = self._samples[0][0] + _OLDEST_SECONDS if values else math.inf


class Admission:
    """Lets requests in or sheds them.

    Args:
        max_batch: requests in one batch.
        in_flight: batches on their way at once.
        max_queue: requests that may wait for a batch.
        clock: monotonic seconds.
    """

    def __init__(
        self, *, max_batch: int, in_flight: int, max_queue: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._a_round = max_batch * in_flight
        self._max_queue = max_queue
        self._clock = clock
        self._batches = Recent(clock)
        self._rest = Recent(clock)
        self._admitted = -math.inf

    def batch_took(self, seconds: float) -> None:
        """A batch was answered."""
        self._batches.note(seconds)

    def rest_took(self, seconds: float) -> None:
        """A request spent this outside the batcher: being read, decoded and sent."""
        self._rest.note(seconds)

    def expects(self, waiting: int, is_busy: bool, now: float) -> float:
        """Seconds that a request coming now will take.

        Args:
            waiting: requests in the queue.
            is_busy: whether no batch can start before another has ended.
            now: monotonic seconds.
        """
        rounds_before = waiting // self._a_round + is_busy
        return self._rest.high(now) + self._batches.high(now) + rounds_before * self._batches.middle(now)

    def refuses(self, seconds: float, waiting: int, is_busy: bool, coming: int = 1) -> Shed | None:
        """Why a request is not begun, `None` when it is.

        Args:
            seconds: left to answer it in.
            waiting: requests in the queue.
            is_busy: whether no batch can start before another has ended.
            coming: requests that come in one call. They go together, so an empty queue takes any number.
        """
        if waiting and waiting + coming > self._max_queue:
            return Shed.QUEUE
        now = self._clock()
        if self.expects(waiting, is_busy, now) > seconds and now - self._admitted < PROBE_SECONDS:
            return Shed.LATENCY
        self._admitted = now
        return None
