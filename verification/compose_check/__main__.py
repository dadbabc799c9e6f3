"""Build the image, and run the whole compose stack by podman: bids through nginx with TLS, restarts, down and up again.

    make compose-check        # a quarter of an hour, less where var/compose-check has the images; needs root

Nothing of this machine's podman, network or `cluster/secrets` is touched: images are in `var/compose-check`, all else
is in a temporary folder and in namespaces of its own. Where a base image cannot be had from a registry, Debian's
packages stand in for it; a service without any image (Grafana) is left out.

The last line is one JSON object: `services` that can run here, how many were `healthy`, `bids` through nginx,
`spend_equal` if exchange and ledger agree to the micro and `down` and `up` changed no figure, `restarts_survived` with
bids after each, and `left_out`. Exit code 1 if something is wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from raybid.local import LaunchError
from raybid.local.environment import ROOT
from raybid.refusing import refuse
from rtb.runtime import processes
from rtb.runtime.terminal import plain
from verification.compose_check import engine
from verification.compose_check.images import COMPOSE, ImageStore

_COPIED = ("cluster", "dashboards/grafana")
_END_SECONDS = 1.0  # the kernel ends everything in the namespaces at once


@processes.ended_by_signals()
def main(
    images: Annotated[Path, typer.Option(help="folder where images are kept")] = ROOT / "var" / "compose-check",
) -> None:
    """Build, run, compare, remove."""
    console = Console(stderr=True, highlight=False)
    if os.geteuid() != 0:
        refuse("compose-check", "containers need root here: run it with sudo")
    if packages := engine.missing():
        refuse("compose-check", f"missing: apt-get install --no-install-recommends {' '.join(packages)}")
    folder = Path(tempfile.mkdtemp(prefix="raybid-compose-"))
    try:
        status = _checked(folder, images.resolve(), console)
    except (LaunchError, OSError) as error:
        refuse("compose-check", error)
    finally:
        engine.remove(folder)
    raise typer.Exit(status)


def _checked(folder: Path, kept: Path, console: Console) -> int:
    """Run the check in this folder; return its exit code."""
    store = ImageStore(kept, folder / "building", lambda text: console.print(plain(f"image: {text}", "dim")))
    found = store.prepare(yaml.safe_load(COMPOSE.read_text())["services"])
    for name in _COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("secrets", "__pycache__"))
    secrets = processes.run([str(folder / "cluster" / "secrets.sh")], capture_output=True, text=True)
    if secrets.returncode:
        raise LaunchError(f"cluster/secrets.sh failed: {secrets.stderr}")
    inside = [sys.executable, "-m", "verification.compose_check.inside", "--folder", str(folder)]
    done = processes.run(
        engine.isolated([*inside, *(word for one in found for word in ("--image", one))], own_network=True),
        grace=_END_SECONDS,
        cwd=ROOT,
        env=engine.configure(folder / "running", folder / "running" / "storage", [store.root]),
        stdin=subprocess.DEVNULL,
    )
    return int(done.returncode)


if __name__ == "__main__":
    typer.run(main)
