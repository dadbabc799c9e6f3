"""The part of the check that runs inside its namespaces: `python -m verification.compose_check.inside --folder DIR`."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
import yaml
from rich.console import Console

from raybid.local import LaunchError
from raybid.refusing import refuse
from rtb.runtime.terminal import plain
from verification.compose_check import plan
from verification.compose_check.stack import Stack
from verification.compose_check.trial import Trial


def main(
    folder: Annotated[Path, typer.Option(help="folder with a copy of cluster/, secrets included")],
    image: Annotated[list[str], typer.Option(help="image that is here, besides those that are built")],
) -> None:
    """Run the stack, and print what came of it."""
    console = Console(stderr=True, highlight=False)
    file = folder / "cluster" / "compose.yaml"
    described = yaml.safe_load(file.read_text())
    names = plan.runnable(described["services"], image)
    most_files, most_processes = (
        resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)
    )
    file.write_text(yaml.safe_dump(plan.adapted(described, names, most_files, most_processes), sort_keys=False))
    report = plan.ComposeReport(services=len(names), left_out=sorted(set(described["services"]) - set(names)))
    stack = Stack(file, names, lambda text: console.print(plain(text, "dim")))
    try:
        Trial(stack, folder / "cluster" / "secrets", report).run()
    except (LaunchError, httpx.HTTPError, OSError) as error:
        report.faults.append(str(error))
    typer.echo(msgspec.json.encode(report.summary()).decode())
    if wrong := report.wrong(len(stack.lasting)):
        refuse("compose-check", "; ".join(wrong))


if __name__ == "__main__":
    typer.run(main)
