"""The time limit of a training, which ends before it by what its last round and its last validation take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CLOSING = 2.0
"""Seconds from the last checkpoint until the processes of a training are gone."""


class TimeLimit:
    """A time limit that no round is begun for which would be over after it.

    Args:
        until: when everything has to be over, by `clock`; infinite: never.
        validation: seconds that a validation and a checkpoint are expected to take, until one is measured.
        clock: clock of `until`: Unix time, which the hosts of a cluster share.
    """

    def __init__(self, until: float, validation: float = 0.0, clock: Callable[[], float] = time.time) -> None:
        self._until, self._clock = until, clock
        self._round, self._validation = 0.0, validation

    @property
    def is_reached(self) -> bool:
        """Whether another round, the last validation and the end would not fit any more."""
        return self._clock() + self._round + self._validation + CLOSING > self._until

    @contextmanager
    def timing_round(self) -> Iterator[None]:
        """Measure a round, which is the block."""
        start = self._clock()
        yield
        self._round = self._clock() - start

    @contextmanager
    def timing_validation(self) -> Iterator[None]:
        """Measure a validation and its checkpoint, which are the block."""
        start = self._clock()
        yield
        self._validation = self._clock() - start
