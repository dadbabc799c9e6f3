"""Turns for large bodies: a caller who sends many waits by itself, and small requests are answered in between."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

LARGE = 65_536
"""Bytes from which a body waits for its turn; an exchange's request has a few thousand."""

_SECONDS_A_BYTE = 1e-7
"""Time to the caller's next turn, several times what reading a byte takes: its bodies get a part of the replica."""

_MOST_SECONDS = 0.3
"""Longest wait: exchanges do not wait longer either, and a body that waits holds memory."""


class LargeBodies:
    """The turns of one replica, by caller.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}

    def wait(self, caller: str, size: int) -> float:
        """Return the seconds until a body of this size may be read; infinity when too many wait."""
        if size < LARGE:
            return 0.0
        now = self._clock()
        turn = max(now, self._next.get(caller, 0.0))
        if turn > now + _MOST_SECONDS:
            return math.inf
        self._next[caller] = turn + size * _SECONDS_A_BYTE
        return turn - now
