"""Training on the machines that serve: it takes what serving leaves over."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_NICEST = 19
_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray in the process of a job


def give_way() -> None:
    """Run this process, and what it starts, only where nobody else wants the processor.

    Linux then gives a core to a thread that serves the moment it wakes, instead of letting a training step end its
    time slice first. Elsewhere niceness is what there is.
    """
    try:
        for thread in Path("/proc/self/task").iterdir():  # those that Ray or torch started already, too
            with suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # not Linux, or not allowed
        os.nice(_NICEST)
    # Outside containers Linux may share the processor among sessions first, whatever the niceness inside them, and Ray
    # gives each job a session: then it is that one's niceness that counts. Workers are in the session of serving.
    if _JOB in os.environ and os.getsid(0) in (os.getpid(), os.getppid()):
        with suppress(OSError):  # no such thing in this kernel
            Path("/proc/self/autogroup").write_text(str(_NICEST))
