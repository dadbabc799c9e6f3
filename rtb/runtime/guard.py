"""Run a command, and end it and all its descendants once the process that asked for it is gone, however it ended.

`rtb.runtime.processes` starts this file as a program of its own, which needs nothing but the standard library:

    python -I -S guard.py PARENT GRACE COMMAND...

Orphans of the command become children of this process, so it knows what is left, whatever sessions they opened. It
exits with the status of the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36  # of linux/prctl.h
_ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PARENT_DIED = signal.SIGUSR1
_HEARD = {*_ASKING, _PARENT_DIED, signal.SIGCHLD}
_LOOK_SECONDS = 0.5
"""How often it checks for its parent as well: the kernel signals the end of a thread, not of a process."""
_ORPHANS_SECONDS = 5.0

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def end_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Let the kernel send this process a signal when its parent's thread ends, or now where the parent is gone."""
    _prctl(_SET_PARENT_DEATH_SIGNAL, number, 0, 0, 0)
    if number and os.getppid() != parent:
        os.kill(os.getpid(), number)


def descendants(of: int) -> list[int]:
    """Return the living descendants of a process, each after its parent."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(folder.name))
    found: list[int] = []
    ahead = [of]
    while ahead:
        born = children.get(ahead.pop(0), [])
        found += born
        ahead += born
    return found


def main() -> None:
    """Run the command, forward the signals that end it, and leave no descendant of it."""
    parent, grace, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    _prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = _start(command)
    end_with_parent(parent, _PARENT_DIED)
    status = _attend(child, parent, grace)
    _sweep(min(grace, _ORPHANS_SECONDS) if status is not None else 0.0)
    if status is None or not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status) if status is not None else 1)
    number = os.WTERMSIG(status)
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    os.kill(os.getpid(), number)


def _start(command: list[str]) -> int:
    guard = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        end_with_parent(guard, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _attend(child: int, parent: int, grace: float) -> int | None:
    """Return the command's wait status; `None` where it did not end when asked."""
    deadline = None
    while deadline is None or time.monotonic() < deadline:
        heard = signal.sigtimedwait(_HEARD, _LOOK_SECONDS)
        if (status := _reaped(child)) is not None:
            return status
        number = heard.si_signo if heard is not None else 0
        is_orphan = os.getppid() != parent
        if number in _ASKING or (is_orphan and deadline is None):
            os.kill(child, number if number in _ASKING else signal.SIGTERM)
            deadline = deadline or time.monotonic() + (min(grace, _ORPHANS_SECONDS) if is_orphan else grace)
    return None


def _reaped(child: int) -> int | None:
    """Return the command's wait status once it has ended; reap orphans that ended."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        if pid == child:
            found = status


def _sweep(grace: float) -> None:
    """End the remaining descendants: SIGTERM, then SIGKILL; leave those that only another user can end."""
    deadline = time.monotonic() + grace
    for pid in descendants(os.getpid()):
        _send(pid, signal.SIGTERM)
    while (left := descendants(os.getpid())) and time.monotonic() < deadline + _ORPHANS_SECONDS:
        if time.monotonic() >= deadline:
            for pid in left:
                _send(pid, signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
        _reaped(0)


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


if __name__ == "__main__":
    main()
