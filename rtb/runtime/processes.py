"""Processes that end with whoever started them, whatever ended that: a signal, a crash, or SIGKILL.

A command runs below a guard (`rtb.runtime.guard`), which sees its parent go and then ends the command and all that came
of it. Workers of a pool are ended by the kernel. Nothing else in this project starts processes that take longer than a
moment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

from rtb.runtime import guard

_GRACE_SECONDS = 20.0
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended(SystemExit):
    """A signal asked for the end. No `Exception`, so that nothing on the way takes it for a failure of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def guarded(command: Sequence[str], grace: float = _GRACE_SECONDS) -> list[str]:
    """Return a command that runs this one below a guard, for as long as this process lives.

    SIGTERM, SIGINT and SIGHUP to the guard are passed on. Orphans of the command end when it ends.

    Args:
        command: and its arguments.
        grace: seconds that it may take to end once it is asked.
    """
    return [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(grace), *command]


def start(command: Sequence[str], grace: float = _GRACE_SECONDS, **options: Any) -> subprocess.Popen[Any]:
    """Start a command that does not outlive this process, in a session of its own: Ctrl-C reaches this process alone.

    Args:
        command: and its arguments.
        grace: seconds that it may take to end once it is asked.
        **options: of `subprocess.Popen`.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(guarded(command, grace), start_new_session=True, **options)


def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end, or to the end of this process: `subprocess.run`, whose time-out ends all of it.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took longer than `timeout`.
    """
    seconds, is_checked = options.pop("timeout", None), options.pop("check", False)
    if options.pop("capture_output", False):
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start(command, **options)
    try:
        said, errors = process.communicate(timeout=seconds)
    except BaseException:
        end(process)
        raise
    done = subprocess.CompletedProcess(list(command), process.returncode, said, errors)
    if is_checked:
        done.check_returncode()
    return done


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a started command to end, and wait until it and all that came of it is gone: its guard insists."""
    process.terminate()
    process.wait()


@contextmanager
def pool(workers: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """Return a pool of processes, new interpreters, that end with this one, and at once where the block fails."""
    before = set(active_children())
    executor = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin_worker, initargs=(os.getpid(),)
    )
    with ended_by_signals():
        try:
            yield executor
        except BaseException:
            for worker in set(active_children()) - before:
                worker.kill()
            executor.shutdown(wait=False, cancel_futures=True)
            raise
        executor.shutdown()


def _begin_worker(parent: int) -> None:
    guard.end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches it as well: the parent ends it


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM, SIGINT and SIGHUP raise `Ended` in the block, so that what was started is stopped in order.

    Asked twice, it still stops everything. A signal that is ignored from the start stays so: `nohup` does that.
    """
    is_heard = signal.getsignal(signal.SIGTERM) is _ask
    if is_heard or current_thread() is not main_thread():
        yield
        return
    heard = [one for one in _ENDING if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, _ask) for one in heard}
    try:
        yield
    finally:
        for one, handler in before.items():
            with suppress(TypeError):  # one that was not set from Python
                signal.signal(one, handler)


def _ask(number: int, _: FrameType | None) -> None:
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
    raise Ended(number)
