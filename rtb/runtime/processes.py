"""Child processes that end with their parent, whatever ended it: a signal, a crash, or SIGKILL.

A command runs below a guard (`rtb.runtime.guard`), which sees its parent go and then ends the command and its
descendants. The kernel ends the workers of a pool. Nothing else in this project starts long-running processes.
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


class Terminated(SystemExit):
    """The exit asked for by a signal. Not an `Exception`, so that no handler on the way takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def guarded(command: Sequence[str], grace: float = _GRACE_SECONDS, parent: int | None = None) -> list[str]:
    """Return a command that runs this one below a guard for as long as its parent lives.

    SIGTERM, SIGINT and SIGHUP to the guard are passed on. Orphans of the command end when it ends.

    Args:
        command: the command and its arguments.
        grace: seconds it may take to end once asked.
        parent: process that is to be the guard's parent; none: this one.
    """
    told = os.getpid() if parent is None else parent
    return [sys.executable, "-I", "-S", guard.__file__, str(told), str(grace), *command]


def start(command: Sequence[str], grace: float = _GRACE_SECONDS, **options: Any) -> subprocess.Popen[Any]:
    """Start a command that does not outlive this process, in a session of its own: Ctrl-C reaches this process alone.

    Args:
        command: the command and its arguments.
        grace: seconds that it may take to end once it is asked.
        **options: options of `subprocess.Popen`.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(guarded(command, grace), start_new_session=True, **options)


def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a command like `subprocess.run`, but end its descendants as well on a time-out or when this process ends.

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
    """Ask a started command to end, and wait until it and its descendants are gone: its guard kills them if needed."""
    process.terminate()
    process.wait()


@contextmanager
def pool(workers: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of spawned processes that end with this one, and at once where the block fails."""
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches workers too: the parent ends them


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM, SIGINT and SIGHUP raise `Terminated` in the block, so that everything started is stopped in order.

    A second signal does not interrupt that. A signal ignored from the start stays ignored: `nohup` does that.
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
            with suppress(TypeError):  # a handler not set from Python
                signal.signal(one, handler)


def _ask(number: int, _: FrameType | None) -> None:
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
    raise Terminated(number)
