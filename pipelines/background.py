"""Low priority for training on machines that also serve."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NICENESS = 10
"""Niceness of a training: beside a busy process it gets a tenth of a core, so that it ends, and serving keeps the rest.

With `SCHED_IDLE` or 19 it would get next to nothing, and never finish on a machine that is always busy.
"""

_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray in a job's process


def give_way() -> None:
    """Let this process and its children run after everything else, without starving them.

    `SCHED_BATCH` is for what computes: such a process never takes a core from another one by waking up.
    """
    for thread in _threads():  # also those that Ray or torch have already started
        with suppress(ProcessLookupError, OSError):  # it ended, or this is not permitted
            os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
        with suppress(ProcessLookupError, OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
    # Outside containers Linux may first share the CPU among sessions, whatever the niceness inside them, and Ray gives
    # each job a session: then the niceness of the session counts. Workers are in the session of serving.
    if _JOB in os.environ and os.getsid(0) in (os.getpid(), os.getppid()):
        with suppress(OSError):  # not supported by this kernel
            Path("/proc/self/autogroup").write_text(str(NICENESS))


def _threads() -> list[int]:
    """Return the threads of this process, which on Linux have priorities of their own; elsewhere 0, the process."""
    tasks = Path("/proc/self/task")
    return [int(thread.name) for thread in tasks.iterdir()] if tasks.exists() else [0]
