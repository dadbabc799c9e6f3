"""Commands that start processes, ended by every signal at several moments: nothing may be left."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from raybid.local import supervision
from raybid.local.environment import ROOT
from verification.leftovers import watching
from verification.strangers.case import Case
from verification.strangers.machine import END_SECONDS, left, machine

_GROUP = "processes"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
_BEGUN_SECONDS = 120.0
_IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""

_COMMANDS: dict[str, Sequence[str]] = {
    "raybid backtest": ("raybid.cli.main", "backtest", "--daily", "8", "--bidders", "rlb,closed", "--workers", "3"),
    "python -m pipelines.simulate_portfolio": ("pipelines.simulate_portfolio", "--seeds", "20", "--workers", "3"),
    "raybid train policy": ("raybid.cli.main", "train", "policy", "--algo", "ppo"),
}
_MOMENTS = {"before it starts others": 0, "at the first of them": 1, "with all of them": 4}


def cases() -> list[Case]:
    """Return the cases."""
    return [*_ended_commands(), *_ended_starts(), *_platforms()]


def _ended_commands() -> list[Case]:
    found = []
    for command, words in _COMMANDS.items():
        for number in _SIGNALS:
            for moment, least in _MOMENTS.items():
                if least != 1 or command == "raybid backtest":  # the others only at the first and last moment
                    name = f"{number.name} to `{command}` {moment}"
                    found.append(Case(_GROUP, name, partial(_ended, words, number, least)))
    return found


def _ended(words: Sequence[str], number: int, least: int, folder: Path) -> str | None:
    with watching() as watch:
        process = subprocess.Popen(
            [sys.executable, "-m", *words, "--out", str(folder / "out")],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _BEGUN_SECONDS
        while len(watch.alive()) <= least and time.monotonic() < deadline:
            if process.poll() is not None:
                return f"it exited by itself with {process.returncode}"
            time.sleep(0.02)
        process.send_signal(number)
        return _waited(process) or left(watch)


def _waited(process: subprocess.Popen[bytes]) -> str | None:
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        return f"it did not end within {END_SECONDS:.0f} s"
    return None


def _ended_starts() -> list[Case]:
    """Return cases with a platform that is ended while it starts."""
    stages: dict[str, Callable[[supervision.PlatformState], bool]] = {
        "that begins": lambda _: True,
        "that starts Ray": lambda state: bool(state.ray_pid),
    }
    found = []
    for words, numbers in (("up", _SIGNALS), ("up --detach", _SIGNALS)):
        for number in numbers:
            for stage, holds in stages.items():
                if number is signal.SIGKILL or holds is stages["that starts Ray"]:
                    name = f"{number.name} to `raybid {words}` {stage}"
                    found.append(Case(_GROUP, name, partial(_ended_start, words.split(), number, holds)))
    return found


def _ended_start(
    words: Sequence[str], number: int, holds: Callable[[supervision.PlatformState], bool], folder: Path
) -> str | None:
    with watching() as watch:
        here = machine(folder)
        process = here.start(*words)
        if wrong := here.await_stage(holds):
            return wrong
        process.send_signal(number)
        return _waited(process) or left(watch, END_SECONDS)


def _platforms() -> list[Case]:
    return [
        Case(
            _GROUP, "two `raybid up --detach` at once, one of which is up; then a hang-up, then its end by force", _two
        ),
        Case(_GROUP, "`raybid up` in a terminal that is closed", partial(_closed, ())),
        Case(_GROUP, "`nohup raybid up` in a terminal that is closed", partial(_closed, ("nohup",))),
    ]


def _two(folder: Path) -> str | None:
    with watching() as watch:
        here = machine(folder)
        both = [here.start("up", "--detach", "--samples") for _ in range(2)]
        codes = sorted(one.wait(END_SECONDS * 3) for one in both)
        said = here.said()
        if codes != [0, 1]:
            return f"they end with {codes}: {said}"
        refusal = next((line for line in said.splitlines() if "already" in line), "")
        if not refusal or "stopped" in refusal or "port" in refusal:
            return f"the second does not say that another is starting: {said}"
        if wrong := here.fails_to_bid():
            return wrong
        state = supervision.read(here.settings)
        if state is None:
            return "there is no state of who runs it"
        os.kill(state.pid, signal.SIGHUP)
        if wrong := here.fails_to_bid():
            return f"after a hang-up: {wrong}"
        os.kill(state.pid, signal.SIGKILL)
        return left(watch, END_SECONDS)


def _closed(before: Sequence[str], folder: Path) -> str | None:
    """Start one in a terminal and close that: it must end, or stay with `nohup`."""
    with watching() as watch:
        here = machine(folder, before)
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, *here.command("up", "--samples")],
            cwd=folder if before else ROOT,  # where `nohup` writes
            env={**here.env, "PYTHONPATH": str(ROOT)},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        (folder / "said").touch()
        wrong = here.await_stage(lambda state: state.is_ready)
        os.close(ours)
        if wrong:
            return wrong
        if before:
            wrong = here.fails_to_bid() or here.fails_to_end(watch)
        return wrong or _waited(process) or left(watch, END_SECONDS)
