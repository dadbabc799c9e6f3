"""One turn of the loop: what was served trains a CTR model, and it is published if it is not worse.

How to run, every night say, beside a platform that serves:

    python -m pipelines.retrain
    ray job submit -- python -m pipelines.retrain      # the same on the cluster, behind its serving

What to expect: the model is trained on all but the newest fifth of the impressions served, and judged with the
champion on that fifth; a refusal is no failure of this verb's, and leaves exit code 1 with the reason. The last line is
one JSON object.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipelines.background import give_way
from pipelines.gate import HeldOut
from pipelines.gate.ctr import HELD_OUT, check_enough
from pipelines.publish import UNFIT, publish
from pipelines.served import served_impressions
from pipelines.train_ctr import fit
from rtb import ctr
from rtb.settings import Settings

_VALIDATION = 0.2


def main(
    *,
    events: Annotated[Path | None, typer.Option(help="folder of served events; default: the platform's")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="most passes over the data; stops early by validation")] = 8,
    seed: Annotated[int, typer.Option(help="of the network")] = 1,
    out: Annotated[Path | None, typer.Option(help="folder of the candidate; default: models/ctr-candidate")] = None,
) -> None:
    """Train on what was served, compare, publish."""
    if os.environ.get("RAY_ADDRESS"):
        give_way()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True))
    try:
        settings = Settings()
        folder = out or settings.var_dir / "models" / "ctr-candidate"
        summary = retrain(settings, events or settings.events_dir, folder, epochs=epochs, seed=seed, progress=progress)
    except (*UNFIT, OSError, ValueError) as error:
        typer.echo(f"retrain: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(summary))


def retrain(
    settings: Settings, events: Path, folder: Path, *, epochs: int, seed: int, progress: Progress
) -> dict[str, Any]:
    """Events -> candidate -> gate -> champion; what was decided.

    Raises:
        NothingServed: no impression is in the events.
        UNFIT: as `publish` says.
        OSError: a folder cannot be read or written.
    """
    served = served_impressions(events)
    past, newest = served.data.split(1.0 - HELD_OUT)
    check_enough(newest, f"the {len(newest)} newest impressions of {events}")  # before the work
    since = float(served.at[len(past)])  # nothing trained on is judged on
    training, validation = past.split(1.0 - _VALIDATION)
    with progress:
        network = fit(training, validation, epochs=epochs, seed=seed, progress=progress)
    told = f"{len(past)} impressions served before {since:.0f}, of {events}"
    ctr.save(folder, network, metrics={}, trained_on=told)
    return publish(settings, "ctr", folder, HeldOut(events, since), progress=progress)


if __name__ == "__main__":
    typer.run(main)
