"""Try strangers' dates, files, tables, processes and machines on a platform; each must work.

How to run:

    make strangers-check          # some minutes; exit code 1 if one fails
    python -m verification.strangers --only tables     # cases whose group or name contains this text

It prints a line per failed case, and one JSON object last. Nothing leaves the machine, and all processes that it
started are ended in any case.
"""

from __future__ import annotations

import signal
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console

from verification.leftovers import watching
from verification.strangers import api, environment, processes, tables
from verification.strangers.case import Case
from verification.strangers.machine import GONE_SECONDS

_ROOMS = (api, tables, processes, environment)
_SLOW_SECONDS = 10.0


def main(*, only: Annotated[str, typer.Option(help="cases whose group or name contains this text")] = "") -> None:
    """Try every case."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    complaints: list[str] = []
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, _end)
    with watching() as watch:
        for room in _ROOMS:
            chosen = [one for one in room.cases() if only.lower() in f"{one.group}: {one.name}".lower()]
            complaints += _tried(chosen, console)
            api.SHARED.end()
        orphans = watch.left(GONE_SECONDS)
    for orphan in orphans:
        console.print(f"still running: {orphan[:200]}")
    wrong = [one for one in complaints if one]
    tracebacks = sum("traceback" in one.lower() for one in wrong)
    told = {"cases": len(complaints), "wrong": len(wrong), "tracebacks": tracebacks, "orphans": len(orphans)}
    typer.echo(msgspec.json.encode(told).decode())
    if wrong or orphans or not complaints:
        raise typer.Exit(1)


def _tried(cases: Sequence[Case], console: Console) -> list[str]:
    """Try cases one after the other; return what is wrong with each, empty if nothing is."""
    complaints: list[str] = []
    for number, case in enumerate(cases, 1):
        began = time.monotonic()
        complaint = _complaint(case)
        complaints.append(complaint)
        seconds = time.monotonic() - began
        if complaint or seconds > _SLOW_SECONDS or number % 25 == 0 or number == len(cases):
            console.print(f"{number} of {len(cases)}  {case.group}: {case.name}  ({seconds:.1f} s)")
        if complaint:
            console.print(f"    WRONG: {' '.join(complaint.split())[:400]}")
    return complaints


def _complaint(case: Case) -> str:
    with tempfile.TemporaryDirectory(prefix="raybid-stranger-") as folder:
        try:
            return case.check(Path(folder)) or ""
        except Exception:  # a case that fails by itself proves nothing, and the others go on
            return f"the case is broken: {traceback.format_exc(limit=-2)}"


def _end(_: int, __: FrameType | None) -> NoReturn:
    """Stop on the first signal, with everything that was started."""
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)
