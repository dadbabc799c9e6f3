"""One platform a folder: who runs it, what it does now, and how others end it.

Whoever runs a platform holds a lock on `platform.lock` under `var_dir` as long as it lives, and says in `platform.json`
what it does. So it is known whether one runs whatever became of the file: the kernel gives the lock back when its
holder dies, and a process id that somebody else has by now is never believed.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

import msgspec
from rich.console import Console

from pipelines import reference
from pipelines.local.checks import LaunchError
from pipelines.local.cluster import Platform, end_left_behind
from pipelines.local.configuration import Graph
from pipelines.local.preparing import prepare
from rtb.ledger import embedded
from rtb.settings import Settings

_LOOK_SECONDS = 0.5
_STOP_SECONDS = 120.0
_LOCK_TRIES = 10


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the platform of a folder.

    Attributes:
        pid: of the process that runs it.
        url: of its API.
        stage: what it does, for people.
        is_ready: whether it serves.
        ray_pid: of Ray's head, 0 before there is one.
        ray_born: when that began, in the kernel's ticks: tells it from a later process of the same number.
        error: why it ended by itself; empty when it was ended.
    """

    pid: int
    url: str
    stage: str
    is_ready: bool = False
    ray_pid: int = 0
    ray_born: str = ""
    error: str = ""


def read(settings: Settings) -> State | None:
    """What was said last, whether or not whoever said it still lives; none where there is nothing to read."""
    try:
        return msgspec.json.decode(_state_path(settings).read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError):
        return None


def is_running(settings: Settings) -> bool:
    """Whether somebody runs a platform on this folder."""
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


def left_behind(settings: Settings) -> State | None:
    """The state of a platform whose Ray lives on after whoever ran it was killed."""
    state = read(settings)
    if state is None or is_running(settings) or not state.ray_pid:
        return None
    return state if state.ray_born and _born(state.ray_pid) == state.ray_born else None


def supervise(settings: Settings, graph: Graph, console: Console, *, samples: bool) -> None:
    """Run a platform until SIGTERM or SIGINT.

    Args:
        settings: ports and folders.
        graph: where the stages run.
        console: told what happens.
        samples: whether to register the sample campaigns.

    Raises:
        LaunchError: it does not start, or ends by itself.
        OSError: a folder cannot be written.
    """
    if left_behind(settings) is not None:
        raise LaunchError("a platform whose parent was killed is still there: `raybid down` ends it")
    with _locked(settings), _ended_by_signals():
        teller = _Teller(settings, console)
        try:
            _run(settings, graph, console, teller, samples)
        except (LaunchError, OSError) as error:
            teller.tell("ended by itself", error=str(error))
            raise
        except _Ended:
            teller.tell("stopped")


def end(settings: Settings, say: Callable[[str], None]) -> bool:
    """End the platform of a folder, and wait until it is gone.

    Args:
        settings: of the platform.
        say: told what happens, when that changes.

    Returns:
        Whether there was one.

    Raises:
        LaunchError: it does not end.
    """
    state = left_behind(settings)
    if state is not None:
        say("ending what a killed parent left behind")
        end_left_behind(settings, state.ray_pid)
        embedded.stop_successor(settings)
        _state_path(settings).unlink(missing_ok=True)
        return True
    if not is_running(settings):
        return False
    state = _await_state(settings)
    try:
        os.kill(state.pid, signal.SIGTERM)
    except ProcessLookupError:  # it ended in this very moment
        return True
    said = ""
    deadline = time.monotonic() + _STOP_SECONDS
    while is_running(settings):
        if time.monotonic() > deadline:
            raise LaunchError(
                f"process {state.pid} does not end within {_STOP_SECONDS:.0f} s: see {log_path(settings)}; "
                f"`kill -KILL {state.pid}` and `raybid down` again end it by force"
            )
        if (now := read(settings)) is not None and now.stage != said:
            said = now.stage
            say(said)
        time.sleep(_LOOK_SECONDS / 5)
    return True


def log_path(settings: Settings) -> Path:
    """Where a platform in the background says what it does."""
    return settings.var_dir.resolve() / "logs" / "platform.log"


class _Ended(BaseException):
    """Somebody asked for the end; no `Exception`, so that nothing on the way takes it for a failure of its own."""


class _Teller:
    """Keeps `platform.json` true."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._path = _state_path(settings)
        self._console = console
        self._state = State(pid=os.getpid(), url=settings.base_url, stage="checking")
        self.tell("checking")

    def tell(self, stage: str, *, is_ready: bool = False, error: str = "", ray_pid: int = 0) -> None:
        """Say what happens now, to people here and to who reads the file."""
        if ray_pid and ray_pid != self._state.ray_pid:
            self._state = msgspec.structs.replace(self._state, ray_pid=ray_pid, ray_born=_born(ray_pid))
        if stage != self._state.stage:
            self._console.print(f"[dim]{stage}[/dim]", soft_wrap=True)
        self._state = msgspec.structs.replace(self._state, stage=stage, is_ready=is_ready, error=error)
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(self._state))
        draft.replace(self._path)


def _run(settings: Settings, graph: Graph, console: Console, teller: _Teller, samples: bool) -> None:
    teller.tell("checking ports, folders and models; a first run trains a click model for about a minute")
    prepare(settings, console)
    platform = Platform(settings, graph, lambda stage: teller.tell(stage, ray_pid=platform.ray_pid))
    with platform:
        if samples:
            platform.register(reference.campaigns())
            platform.await_campaigns()
        teller.tell(f"up: {settings.base_url}", is_ready=True)
        while True:
            platform.check()
            time.sleep(_LOOK_SECONDS)


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    path = _lock_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        _take(lock, settings)
        yield


def _take(lock: IO[bytes], settings: Settings) -> None:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # also for the moment in which somebody looks whether one runs
            time.sleep(0.05)
        else:
            return
    state = read(settings)
    where = f" at {state.url}, process {state.pid}" if state is not None else ""
    raise LaunchError(f"a platform runs on {settings.var_dir.resolve()} already{where}: `raybid down` ends it")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def ask(number: int, _: FrameType | None) -> None:
        for one in (signal.SIGTERM, signal.SIGINT):  # asked twice, it still stops everything in order
            signal.signal(one, signal.SIG_IGN)
        raise _Ended(number)

    before = {one: signal.signal(one, ask) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _await_state(settings: Settings) -> State:
    """The state of who holds the lock: written right after it was taken."""
    deadline = time.monotonic() + _LOOK_SECONDS * 10
    while time.monotonic() < deadline:
        state = read(settings)
        if state is not None and _born(state.pid):
            return state
        time.sleep(_LOOK_SECONDS / 5)
    path = _state_path(settings)
    raise LaunchError(
        f"{path} does not say who runs the platform: find out with `fuser {_lock_path(settings)}`, end it"
    )


def _born(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty where there is none of that number."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = told.rpartition(")")[2].split()  # its name, in brackets before these, may hold anything
    return "" if fields[0] == "Z" else fields[19]


def _state_path(settings: Settings) -> Path:
    return settings.var_dir.resolve() / "platform.json"


def _lock_path(settings: Settings) -> Path:
    return settings.var_dir.resolve() / "platform.lock"


def main() -> None:
    """Run a platform in the background, as `raybid up --detach` starts it: with the graph, and `samples` or not."""
    graph: Graph = "colocated" if sys.argv[1] == "colocated" else "composed"
    try:
        supervise(Settings(), graph, Console(stderr=True, highlight=False), samples="samples" in sys.argv[2:])
    except (LaunchError, OSError) as error:
        sys.exit(f"raybid: {error}")


if __name__ == "__main__":
    main()
