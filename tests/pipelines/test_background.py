"""Training that gives way: every thread of the process, those that are there and those that come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.background import NICENESS

_PROGRAM = """
import json, os, threading
from pipelines.background import give_way

def wait(until):
    threading.Thread(target=until.wait, daemon=True).start()

until = threading.Event()
wait(until)
give_way()
wait(until)
threads = [int(thread) for thread in os.listdir("/proc/self/task")]
print(json.dumps([[os.sched_getscheduler(one), os.getpriority(os.PRIO_PROCESS, one)] for one in threads]))
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux has SCHED_BATCH")
@pytest.mark.parametrize("further", [0, 19])
def test_each_thread_gives_way_and_none_is_raised(further: int) -> None:
    started = max(further, os.getpriority(os.PRIO_PROCESS, 0))
    command = ["nice", "-n", str(further), sys.executable, "-c", _PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == [[os.SCHED_BATCH, max(NICENESS, started)]] * 3


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="a kernel with scheduling by session")
@pytest.mark.parametrize(("job", "niceness"), [({"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"}, NICENESS), ({}, 0)])
def test_a_jobs_session_gives_way_and_no_other_does(job: dict[str, str], niceness: int) -> None:
    program = "from pipelines.background import give_way; give_way(); print(open('/proc/self/autogroup').read())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **job},
        start_new_session=True,  # as Ray starts the process of a job
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split()[-2:] == ["nice", str(niceness)]
