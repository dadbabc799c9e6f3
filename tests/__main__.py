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

import typer

from raybid.local.environment import ROOT
from tests.support import SKIPS, SYSTEM

_PARALLEL = ("-n", str(min(4, len(os.sched_getaffinity(0)))), "--dist", "loadfile", "--no-loadscope-reorder")
_RUNS: dict[str, list[tuple[str, ...]]] = {
    "quick": [(*_PARALLEL, "-m", "not slow and not cluster", "--hypothesis-profile", "quick")],
    "test": [(*_PARALLEL, "-m", "not cluster"), ("-m", "cluster")],
}


def main(target: str, options: list[str]) -> int:
    """Run a target's tests, say what was skipped for want of a package, and keep the seconds when all passed."""
    began = time.monotonic()
    with tempfile.NamedTemporaryFile("r") as skips:
        codes = [_pytest(*run, *options, skips=skips.name) for run in _RUNS[target]]
        typer.echo(lacking(skips.read()), nl=False)
    if any(codes):
        return 1
    seconds = ROOT / "var" / "seconds" / target
    seconds.parent.parent.mkdir(mode=0o700, exist_ok=True)
    seconds.parent.mkdir(exist_ok=True)
    seconds.write_text(f"{time.monotonic() - began:.0f}\n")
    return 0


def _pytest(*options: str, skips: str) -> int:
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {SKIPS: skips}, check=False).returncode


def lacking(skips: str) -> str:
    """Return a line for each package of the system for want of which tests were skipped, and what installs them."""
    counts = Counter(re.findall(rf"{SYSTEM}([\w.-]+)", skips))
    lines = [f"skipped for want of {package}: {count} tests\n" for package, count in sorted(counts.items())]
    return "".join([*lines, "`make system` installs what is missing\n"]) if lines else ""


if __name__ == "__main__":
    quick = sys.argv[1:2] == ["quick"]
    sys.exit(main("quick" if quick else "test", sys.argv[1 + quick :]))
