"""The shell blocks of a page, carried out as they stand.

What is changed of a block before it runs is only what differs from machine to machine, the port of the API and where
the virtual environment and the keys are, and `SHORTER`, for time.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from raybid.local.environment import ROOT

if TYPE_CHECKING:
    from tests.front.conftest import Front

README, QUICKSTART = "README.md", "docs/quickstart.md"
SHORTER = {"DURATION=30": "DURATION=6", "--duration 5": "--duration 3"}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SHELL = ("", "sh", "bash", "shell", "console")


def blocks(page: str) -> list[str]:
    """Return the shell blocks of a page; other blocks name their language after the opening fence."""
    found = BLOCK.findall((ROOT / page).read_text())
    return [body for kind, body in found if kind in SHELL]


def readme() -> tuple[list[str], str, list[str]]:
    """Return the blocks of the README that start a platform and use it, the one that ends it, and those after it."""
    found = blocks(README)
    end = next(number for number, block in enumerate(found) if "make down" in block)
    return found[:end], found[end], found[end + 1 :]


def carry_out(block: str, machine: Front) -> str:
    """Run a block on a machine, as it must succeed; what it prints."""
    script = f"set -euo pipefail\n{_here(block, machine)}"
    done = machine.run(["bash", "-c", script], timeout=400)
    assert done.returncode == 0, f"{block}\n{done.stdout[-2_000:]}\n{done.stderr[-4_000:]}"
    return done.stdout


def _here(block: str, machine: Front) -> str:
    for long, short in SHORTER.items():
        block = block.replace(long, short)
    block = block.replace("var/secrets", f"{machine.settings.var_dir}/secrets")
    block = block.replace("127.0.0.1:8000", machine.url.removeprefix("http://"))
    block = block.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    return re.sub(r"^make ", f"make VENV={sys.prefix} ", block, flags=re.M)
