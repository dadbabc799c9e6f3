"""Training on the machines that serve: it takes what serving leaves over."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_NICEST = 19


def give_way() -> None:
    """Run this process, and what it starts, only where nobody else wants the processor.

    Linux then gives a core to a thread that serves the moment it wakes, instead of letting a training step end its
    time slice first: what bids waited for was that slice, and niceness shortens it but leaves it. Elsewhere niceness
    is what there is.
    """
    try:
        for thread in Path("/proc/self/task").iterdir():  # those that Ray or torch started already, too
            with suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # not Linux, or not allowed
        os.nice(_NICEST)
