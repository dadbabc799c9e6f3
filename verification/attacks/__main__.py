"""Attack a platform of its own in every way that an audit found, and in variations.

How to run:

    make attack-check            # about twenty minutes; exit code 1 if an attack succeeds
    python -m verification.attacks --only keys     # attacks whose finding or name contains this text

As root it attacks from a network namespace of its own and as the user `nobody`; otherwise from another address of this
machine, and attacks that need another user are reported as not tried. It prints a line per attack, and one JSON object
last. Nothing leaves the machine, and all processes that it started are ended in any case.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from raybid.local import LaunchError
from raybid.local.models import train_missing
from raybid.refusing import refuse
from rtb.runtime import processes
from rtb.runtime.settings import Settings
from verification.attacks.bounds import LEAST_ATTACKS
from verification.attacks.case import Attack
from verification.attacks.cases import every
from verification.attacks.cases.memory import warm
from verification.attacks.disk import small_disk
from verification.attacks.honest import trading
from verification.attacks.running import AttackReport, AttackRun
from verification.attacks.stranger import Stranger, neighbour
from verification.attacks.target import AttackedPlatform, domain, environment, settings_of

_YIELDS = 10
"""Niceness of the attacker, whose requests cost it more than they cost the platform: its own cores are elsewhere."""


@processes.ended_by_signals()
def main(*, only: Annotated[str, typer.Option(help="attacks whose finding or name contains this text")] = "") -> None:
    """Start a platform, attack it, report."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    chosen = [one for one in every() if only.lower() in f"{one.finding}: {one.name}".lower()]
    try:
        with neighbour() as outside, tempfile.TemporaryDirectory(prefix="raybid-attacks-") as folder:
            report = _attacked(Path(folder), outside, console, chosen)
    except (LaunchError, OSError, subprocess.SubprocessError) as error:
        refuse("attack-check", error)
    typer.echo(msgspec.json.encode(report.summary()).decode())
    faults = report.faults(least=1 if only else LEAST_ATTACKS)
    for fault in faults:
        console.print(f"attack-check: {fault}", style="red")
    if faults:
        raise typer.Exit(1)


def _attacked(folder: Path, outside: Stranger, console: Console, chosen: list[Attack]) -> AttackReport:
    given = Settings()
    train_missing(given, console.print)
    Path(folder).chmod(0o755)  # the contents must protect themselves
    with small_disk(folder / "var") as is_small, _running(folder, given, outside, is_small, console) as target:
        key, url = target.keys["honest"], f"{target.settings.base_url}/openrtb2/honest"
        warm(target)
        with trading(url, key, domain("honest"), folder / "honest.log") as traffic:
            os.nice(_YIELDS)
            return AttackRun(target, traffic, console.print).all(chosen)


@contextmanager
def _running(
    folder: Path, given: Settings, outside: Stranger, is_small: bool, console: Console
) -> Iterator[AttackedPlatform]:
    """Run a platform with everything that is attacked, for the time of the block."""
    env, keys = environment(folder / "var", given)
    settings = settings_of(env)
    target = AttackedPlatform(settings, keys, outside, env, is_small)
    try:
        console.print(f"starting a platform: {settings.base_url}")
        target.start()
        target.keys["admin"] = settings.resolve_secret("admin_key")
        target.furnish()
        yield target
    finally:
        console.print("stopping the platform")
        target.close()
        try:
            target.stop()
        finally:
            target.clean()


if __name__ == "__main__":
    typer.run(main)
