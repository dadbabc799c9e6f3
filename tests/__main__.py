"""Run the tests: all for `make test`, with `quick` those that start no server and are soon done, and options of pytest.

What starts a cluster runs alone, after all other tests, which share the cores. The seconds are kept for
`python -m verification.house`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack

import typer

from raybid.local.environment import ROOT
from tests.support import SKIPS, SYSTEM

_QUICK = ("-m", "not slow and not cluster", "--hypothesis-profile", "quick")
# One more than cores: half of the time is waiting for servers.
_SHARED = ("-n", str(min(4, len(os.sched_getaffinity(0)) + 1)), "--dist", "loadfile", "--no-loadscope-reorder")
_RUNS: dict[str, list[list[tuple[str, ...]]]] = {
    # Two processes without workers: each imports only what its half needs, and for a minute that decides.
    "quick": [[(*_QUICK, "tests/rtb"), (*_QUICK, "--ignore=tests/rtb")]],
    "test": [[(*_SHARED, "-m", "not cluster")], [("-m", "cluster")]],
}
"""Options of pytest by target: runs one after the other, each of processes at the same time."""


def main(target: str, options: list[str]) -> int:
    """Run a target's tests, say what was skipped for want of a package, and keep the seconds when all passed."""
    began = time.monotonic()
    with tempfile.NamedTemporaryFile("r") as skips:
        codes = [code for run in _RUNS[target] for code in _together([(*one, *options) for one in run], skips.name)]
        typer.echo(lacking(skips.read()), nl=False)
    if any(codes):
        return 1
    seconds = ROOT / "var" / "seconds" / target
    seconds.parent.parent.mkdir(mode=0o700, exist_ok=True)
    seconds.parent.mkdir(exist_ok=True)
    seconds.write_text(f"{time.monotonic() - began:.0f}\n")
    return 0


def _together(run: list[tuple[str, ...]], skips: str) -> list[int]:
    """Return the exit codes of processes at the same time; what all but the first print comes once they have ended."""
    environment = os.environ | {SKIPS: skips}
    with ExitStack() as stack:
        later = [stack.enter_context(tempfile.TemporaryFile()) for _ in run[1:]]
        processes = [
            subprocess.Popen([sys.executable, "-m", "pytest", *options], cwd=ROOT, env=environment, stdout=output)
            for options, output in zip(run, (None, *later), strict=True)
        ]
        codes = [process.wait() for process in processes]
        for output in later:
            output.seek(0)
            typer.echo(output.read().decode(errors="replace"))
    return codes


def lacking(skips: str) -> str:
    """Return a line for each package of the system for want of which tests were skipped, and what installs them."""
    counts = Counter(re.findall(rf"{SYSTEM}([\w.-]+)", skips))
    lines = [f"skipped for want of {package}: {count} tests\n" for package, count in sorted(counts.items())]
    return "".join([*lines, "`make system` installs what is missing\n"]) if lines else ""


if __name__ == "__main__":
    quick = sys.argv[1:2] == ["quick"]
    sys.exit(main("quick" if quick else "test", sys.argv[1 + quick :]))
