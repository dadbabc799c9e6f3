"""Low priority for training on machines that also serve."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_NICEST = 19
_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray in a job's process


def give_way() -> None:
    """Run this process and its children only when no other process needs the CPU.

    Linux then gives a core to a serving thread the moment it wakes, instead of letting a training step end its time
    slice first. Elsewhere plain niceness has to do.
    """
    try:
        for thread in Path("/proc/self/task").iterdir():  # also threads that Ray or torch have already started
            with suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # not Linux, or not permitted
        os.nice(_NICEST)
    # Outside containers Linux may first share the CPU among sessions, whatever the niceness inside them, and Ray gives
    # each job a session: then the niceness of the session counts. Workers are in the session of serving.
    if _JOB in os.environ and os.getsid(0) in (os.getpid(), os.getppid()):
        with suppress(OSError):  # not supported by this kernel
            Path("/proc/self/autogroup").write_text(str(_NICEST))
