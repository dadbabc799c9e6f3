"""Processes that commands leave behind: their orphans become children of this process, whatever their session."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from rtb.runtime import guard

_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37  # constants of linux/prctl.h


class LeftoverWatch:
    """A watch over new descendants of this process."""

    def __init__(self) -> None:
        self._before = set(guard.descendants(os.getpid()))

    def alive(self) -> list[int]:
        """Return the processes that live now and did not before."""
        return [pid for pid in guard.descendants(os.getpid()) if pid not in self._before]

    def left(self, seconds: float) -> list[str]:
        """Return the command lines of those that are still alive after at most these seconds."""
        deadline = time.monotonic() + seconds
        while (alive := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [command(pid) for pid in alive]


@contextmanager
def watching() -> Iterator[LeftoverWatch]:
    """Adopt orphans for the time of the block; kill what is left at its end."""
    prctl, adopts = ctypes.CDLL(None, use_errno=True).prctl, ctypes.c_int()
    prctl(_GET_CHILD_SUBREAPER, ctypes.byref(adopts), 0, 0, 0)
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    watch = LeftoverWatch()
    try:
        yield watch
    finally:
        for pid in watch.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        prctl(_SET_CHILD_SUBREAPER, adopts.value, 0, 0, 0)


def command(pid: int) -> str:
    """Return the command line of a process; empty if it has ended."""
    with suppress(psutil.Error):
        return f"{pid} {' '.join(psutil.Process(pid).cmdline())}"
    return ""
