"""One turn of the learning loop: train a CTR model on served traffic and publish it if it is not worse.

How to run, for example every night, beside a serving platform:

    python -m pipelines.retrain
    ray job submit -- python -m pipelines.retrain      # the same on the cluster, at low priority

What to expect: the model is trained on all but the newest fifth of the served impressions, and compared with the
champion on that fifth. A refusal is a normal outcome; it leaves exit code 1 and the reason. The last line is one JSON
object.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from pipelines.background import give_way
from pipelines.ctr_training.fitting import FitOptions
from pipelines.ctr_training.sources import ClickSource, progress_bars
from pipelines.gate import HeldOut
from pipelines.gate.comparison import GateClosed
from pipelines.gate.ctr import HELD_OUT, check_enough
from pipelines.publish import UNFIT, publish
from pipelines.served import served
from pipelines.served_folders import check_folder, is_served
from pipelines.train_ctr import train
from raybid.refusing import refuse
from rtb.models import ctr
from rtb.models.ctr import Model
from rtb.models.shared import share_trained
from rtb.runtime.settings import Settings
from rtb.store import Store, event_store, open_store


def main(
    *,
    events: Annotated[str | None, typer.Option(help="folder or s3:// URL of served events; default: ours")] = None,
    model: Annotated[Model, typer.Option(help="kind of network")] = "lr",
    held_out: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="share of the impressions, the newest ones, to judge on")
    ] = HELD_OUT,
    seed: Annotated[int, typer.Option(help="seed of the network")] = 1,
    out: Annotated[Path | None, typer.Option(help="candidate's folder; default: models/ctr-candidate")] = None,
) -> None:
    """Train on served traffic, compare, publish."""
    if os.environ.get("RAY_ADDRESS"):
        give_way()
    torch.set_num_threads(1)
    try:
        settings = Settings()
        folder = out or settings.models_dir / "ctr-candidate"
        options = FitOptions(model=model, seed=seed)
        store = open_store(events) if events else event_store(settings)
        summary = retrain(settings, store, folder, options, held_out)
    except (*UNFIT, OSError, ValueError) as error:
        refuse("retrain", error)
    typer.echo(json.dumps(summary))


def retrain(settings: Settings, events: Store, folder: Path, options: FitOptions, held_out: float) -> dict[str, Any]:
    """Train a candidate on events, take it through the gate, and return the decision.

    Args:
        settings: settings that locate the champion.
        events: store of the events.
        folder: folder of the candidate.
        options: options of the fit.
        held_out: share of the impressions, the newest ones, that is not trained on.

    Raises:
        UNFIT: there are no events, the folder is served from, or for the reasons of `publish`.
        Untrainable: the events are not enough.
        OSError: a folder cannot be read or written.
    """
    check_folder(settings, folder)
    if is_served(settings.ctr_dir, folder):
        raise GateClosed(f"{folder} is served from: give the candidate another folder with --out")
    shown = served(events)
    past, newest = shown.data.split(1.0 - held_out)
    check_enough(newest, f"the {len(newest)} newest impressions of {events.url}")  # before the training
    since = float(shown.at[len(past)])  # judge on nothing that was trained on
    with progress_bars() as progress:
        trained = train(past, options, "platt", refit=True, progress=progress)
    source = ClickSource("events", events=events)
    ctr.save(
        folder,
        trained.network,
        metrics=trained.metrics,
        trained_on=f"{source}: {len(past)} impressions",
        calibration=trained.calibration,
        source=source.record(len(past)),
    )
    share_trained(settings, folder, "ctr")
    return publish(settings, "ctr", str(folder), HeldOut(events, since), progress=progress_bars())


if __name__ == "__main__":
    typer.run(main)
