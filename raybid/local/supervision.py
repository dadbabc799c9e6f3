"""One platform per folder: which process runs it, what it is doing, and how other processes stop it.

Whoever runs a platform holds a lock on `platform.lock` under `var_dir` for its lifetime, and writes its state to
`platform.json`. The lock tells whether one runs, whatever became of that file: the kernel releases it when its holder
dies, and a process id that was reused by another program is never trusted.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec
from rich.console import Console

from raybid.local.checks import LaunchError, check_writable
from raybid.local.cluster import Platform
from raybid.local.configuration import Graph
from raybid.local.preparing import prepare
from rtb.ledger import embedded
from rtb.runtime import guard, processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation import reference

_LOOK_SECONDS = 0.5
_STOP_SECONDS = 120.0
_LOCK_TRIES = 10
_STOPPED = "stopped"


class PlatformState(msgspec.Struct, frozen=True, kw_only=True):
    """The known state of the platform of a folder.

    Attributes:
        pid: process that runs it.
        url: URL of its API.
        stage: what it is doing, for people.
        is_ready: whether it serves.
        ray_pid: process id of the guard of Ray's head, 0 before it was started.
        ray_born: when that process started, in the kernel's ticks; tells it from a later one with the same id.
        error: why it stopped by itself; empty when it was told to stop.
    """

    pid: int
    url: str
    stage: str
    is_ready: bool = False
    ray_pid: int = 0
    ray_born: str = ""
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it stopped in order or reported why not; else it runs, or was killed."""
        return self.stage == _STOPPED or bool(self.error)


def read(settings: Settings) -> PlatformState | None:
    """Return the last state written, whether or not its writer still lives; None if there is none."""
    try:
        return msgspec.json.decode(_state_path(settings).read_bytes(), type=PlatformState)
    except (OSError, msgspec.MsgspecError):
        return None


def is_running(settings: Settings) -> bool:
    """Return whether a process runs a platform on this folder."""
    try:
        lock = _lock_path(settings).open("rb")
    except OSError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def left_behind(settings: Settings) -> PlatformState | None:
    """Return the state of a platform that is still stopping after the process that ran it was killed."""
    state = read(settings)
    if state is None or is_running(settings) or not state.ray_pid:
        return None
    return state if state.ray_born and _born(state.ray_pid) == state.ray_born else None


def running_already(settings: Settings) -> str:
    """Say in one line who runs a platform on this folder, and what it is doing."""
    folder, state = settings.var_dir.resolve(), _state_of_holder(settings)
    if state is None:
        return f"another `raybid up` is already starting on {folder}: wait for it, or stop it with `raybid down`"
    if state.is_ready:
        return f"a platform already runs on {folder}, at {state.url}, process {state.pid}: `raybid down` stops it"
    return (
        f"another `raybid up`, process {state.pid}, is already at work on {folder} ({state.stage}): wait for it, "
        "or stop it with `raybid down`"
    )


def supervise(settings: Settings, graph: Graph, console: Console, *, samples: bool, parent: int = 0) -> None:
    """Run a platform until SIGTERM, SIGINT or SIGHUP.

    Args:
        settings: ports and folders.
        graph: where the stages run.
        console: console for progress.
        samples: whether to register the sample campaigns.
        parent: process that waits until the platform is up and exits then; if it dies earlier, the platform stops.
            Output goes to the log then.

    Raises:
        LaunchError: it does not start, or stops by itself.
        OSError: a folder is not writable.
    """
    with _locked(settings), processes.ended_by_signals():
        before = read(settings)
        state_file = _StateFile(settings, console, parent)
        try:
            if before is not None and not before.has_ended:
                _end_killed(settings, before, state_file.tell)
            _run(settings, graph, console, state_file, samples)
        except (LaunchError, OSError) as error:
            state_file.tell("ended by itself", error=str(error))
            raise
        except processes.Terminated:
            state_file.tell(_STOPPED)


def end(settings: Settings, say: Callable[[str], None]) -> bool:
    """Stop the platform of a folder, and wait until it has stopped.

    Args:
        settings: settings of the platform.
        say: called with progress, whenever that changes.

    Returns:
        Whether there was one.

    Raises:
        LaunchError: it does not stop.
    """
    state = left_behind(settings)
    if state is not None:
        _end_killed(settings, state, say)
        return True
    if not is_running(settings):
        return False
    state = _await_state(settings)
    try:
        os.kill(state.pid, signal.SIGTERM)
    except ProcessLookupError:  # it exited in this very moment
        return True
    said = ""
    deadline = time.monotonic() + _STOP_SECONDS
    while is_running(settings):
        if time.monotonic() > deadline:
            raise LaunchError(
                f"process {state.pid} did not stop within {_STOP_SECONDS:.0f} s: see {log_path(settings)}; "
                f"`kill -KILL {state.pid}` and `raybid down` again stop it by force"
            )
        if (now := read(settings)) is not None and now.stage != said:
            said = now.stage
            say(said)
        time.sleep(_LOOK_SECONDS / 5)
    return True


def log_path(settings: Settings) -> Path:
    """Return where a platform in the background logs to."""
    return settings.var_dir.resolve() / "logs" / "platform.log"


class _StateFile:
    """Writer of `platform.json`.

    Args:
        settings: ports and folders.
        console: console for progress.
        parent: see `supervise`.
    """

    def __init__(self, settings: Settings, console: Console, parent: int = 0) -> None:
        self._path = _state_path(settings)
        self._console = console
        self._parent = parent
        self._state = PlatformState(pid=os.getpid(), url=settings.base_url, stage="checking")
        self.tell("checking")
        if parent:
            _write_to(log_path(settings))
            guard.end_with_parent(parent, signal.SIGTERM)

    def tell(self, stage: str, *, is_ready: bool = False, error: str = "", ray_pid: int = 0) -> None:
        """Report what is happening, on the console and in the file."""
        if ray_pid and ray_pid != self._state.ray_pid:
            self._state = msgspec.structs.replace(self._state, ray_pid=ray_pid, ray_born=_born(ray_pid))
        if is_ready and self._parent:
            guard.end_with_parent(self._parent, 0)
        if stage != self._state.stage:
            with suppress(OSError):  # its terminal may be closed
                self._console.print(plain(stage, "dim"), soft_wrap=True)
        self._state = msgspec.structs.replace(self._state, stage=stage, is_ready=is_ready, error=error)
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(self._state))
        draft.replace(self._path)


def _run(settings: Settings, graph: Graph, console: Console, state_file: _StateFile, samples: bool) -> None:
    state_file.tell("checking ports, folders and models; the first run trains a click model for about a minute")
    prepare(settings, console)
    platform = Platform(settings, graph, lambda stage: state_file.tell(stage, ray_pid=platform.ray_pid))
    with platform:
        if samples:
            platform.register(reference.campaigns())
            platform.await_campaigns()
        state_file.tell(f"up: {settings.base_url}", is_ready=True)
        while True:
            platform.check()
            time.sleep(_LOOK_SECONDS)


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    check_writable(settings.var_dir)
    with _lock_path(settings).open("ab") as lock:
        _take(lock, settings)
        yield


def _take(lock: IO[bytes], settings: Settings) -> None:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # also for the moment in which another process checks whether one runs
            time.sleep(0.05)
        else:
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
            lock.flush()
            return
    raise LaunchError(running_already(settings))


def _state_of_holder(settings: Settings) -> PlatformState | None:
    """Return the state that the holder of the lock wrote; None if it has not yet."""
    state = read(settings)
    with suppress(OSError):
        if state is not None and _lock_path(settings).read_text() == str(state.pid):
            return state
    return None


def _write_to(log: Path) -> None:
    """Redirect the output of this process and its children to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())


def _end_killed(settings: Settings, state: PlatformState, say: Callable[[str], None]) -> None:
    """Wait for the processes of a killed platform, which their guards stop.

    Raises:
        LaunchError: they do not stop.
    """
    say("waiting for a killed platform's processes to stop")
    deadline = time.monotonic() + _STOP_SECONDS
    while state.ray_born and _born(state.ray_pid) == state.ray_born:
        if time.monotonic() > deadline:
            raise LaunchError(f"process {state.ray_pid} and its children do not stop: see {log_path(settings)}")
        with suppress(ProcessLookupError):
            os.kill(state.ray_pid, signal.SIGTERM)
        time.sleep(_LOOK_SECONDS)
    embedded.stop_successor(settings)


def _await_state(settings: Settings) -> PlatformState:
    """Return the state of the lock's holder, which writes it right after taking the lock."""
    deadline = time.monotonic() + _LOOK_SECONDS * 10
    while time.monotonic() < deadline:
        state = read(settings)
        if state is not None and _born(state.pid):
            return state
        time.sleep(_LOOK_SECONDS / 5)
    path = _state_path(settings)
    raise LaunchError(
        f"{path} does not say who runs the platform: find out with `fuser {_lock_path(settings)}`, stop it"
    )


def _born(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; empty if there is no such process.

    psutil gives it as a time of day, which changes when somebody sets the clock.
    """
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = told.rpartition(")")[2].split()  # the process name, in brackets before these, may hold anything
    return "" if fields[0] == "Z" else fields[19]


def _state_path(settings: Settings) -> Path:
    return settings.var_dir.resolve() / "platform.json"


def _lock_path(settings: Settings) -> Path:
    return settings.var_dir.resolve() / "platform.lock"


def main() -> None:
    """Run a platform in the background, as `raybid up --detach` starts it: graph, its process, `samples` or not."""
    graph: Graph = "colocated" if sys.argv[1] == "colocated" else "composed"
    screen = Console(stderr=True, highlight=False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under `nohup`: it has no terminal that could hang up
    try:
        supervise(Settings(), graph, screen, samples="samples" in sys.argv[3:], parent=int(sys.argv[2]))
    except (LaunchError, OSError) as error:
        sys.exit(f"raybid: {error}")


if __name__ == "__main__":
    main()
