"""What a process started ends with it, whatever ended it and whenever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from raybid.local.environment import ROOT
from rtb.runtime import processes
from verification.leftovers import LeftoverWatch, watching

pytestmark = pytest.mark.usefixtures("heard")

_SECONDS = 20.0
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL]

FAMILY = """
import os, subprocess, sys, time
{first}
subprocess.Popen(["sleep", "600"], start_new_session=True)  # out of the group and of the session
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
    print("family", flush=True)
    time.sleep({seconds})  # a daemon
os.wait()
time.sleep({own})
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
PARENT = """
import sys, time
from rtb.runtime import processes
process = processes.start([sys.executable, "-c", sys.argv[1]], grace=1)
print("started", flush=True)
time.sleep(600)
"""
POOL = """
import sys, time
from rtb.runtime import processes
if __name__ == "__main__":
    with processes.pool(2) as workers:
        futures = [workers.submit(time.sleep, 600) for _ in range(3)]
        print("started", flush=True)
        futures[0].result()
"""


@pytest.fixture
def watch() -> Iterator[LeftoverWatch]:
    with watching() as watch:
        yield watch


def parent(program: str, *words: str, lines: int = 1) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", program, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline()
    return process


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("first", ["", DEAF])
def test_a_command_and_all_that_came_of_it_end_with_the_parent(watch: LeftoverWatch, number: int, first: str) -> None:
    process = parent(PARENT, FAMILY.format(first=first, seconds=600, own=600), lines=2)
    assert len(watch.alive()) >= 5
    process.send_signal(number)
    process.wait(_SECONDS)
    assert watch.left(_SECONDS) == []


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.1])
def test_also_while_it_is_starting(watch: LeftoverWatch, number: int, delay: float) -> None:
    process = parent(PARENT, FAMILY.format(first="", seconds=600, own=600))
    time.sleep(delay)  # a moment of its start, whichever: each is right
    process.send_signal(number)
    process.wait(_SECONDS)
    assert watch.left(_SECONDS) == []


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("delay", [0.0, 0.3, 1.5])
def test_workers_of_a_pool_end_with_the_parent(watch: LeftoverWatch, number: int, delay: float, tmp_path: Path) -> None:
    (tmp_path / "pooled.py").write_text(POOL)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "pooled.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        time.sleep(delay)  # workers begin, and work
        process.send_signal(number)
        process.wait(_SECONDS)
        assert watch.left(_SECONDS) == []


def test_orphans_end_with_a_command_that_ends_by_itself(watch: LeftoverWatch) -> None:
    program = FAMILY.format(first="", seconds=600, own=0.2)
    done = processes.run([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"family\n")
    assert watch.left(0.0) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_command_ends_with_its_guard(watch: LeftoverWatch, number: int) -> None:
    process = processes.start(["sleep", "600"])
    deadline = time.monotonic() + _SECONDS
    while len(watch.alive()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(_SECONDS) == -number
    assert watch.left(_SECONDS) == []


def test_a_thread_that_started_a_command_may_end_before_it(watch: LeftoverWatch) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - one thread of this one test

    with ThreadPoolExecutor(1) as thread:
        process = thread.submit(processes.start, [sys.executable, "-c", "input()"], stdin=subprocess.PIPE).result()
    assert process.poll() is None
    process.communicate(b"\n", timeout=_SECONDS)
    assert process.returncode == 0


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -9)])
def test_it_ends_as_its_command_ended(code: str, status: int) -> None:
    assert processes.run([sys.executable, "-c", code]).returncode == status


def test_a_command_that_is_not_there_is_named() -> None:
    done = processes.run(["no-such-command"], capture_output=True)
    assert (done.returncode, done.stderr) == (127, b"no-such-command: No such file or directory\n")


def test_what_takes_too_long_is_ended(watch: LeftoverWatch) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        processes.run(["sleep", "600"], timeout=0.2)
    assert watch.left(0.0) == []


def test_nohup_is_left_as_it_is() -> None:
    program = "import signal\nfrom rtb.runtime import processes\nwith processes.ended_by_signals():\n"
    program += "    print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    done = subprocess.run(
        ["nohup", sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
