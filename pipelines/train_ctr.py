"""Train the CTR model: on the simulated market, on a table of logged impressions, or on the events of served traffic.

How to run:

    python -m pipelines.train_ctr --impressions 500000
    python -m pipelines.train_ctr --data train.tsv
    python -m pipelines.train_ctr --events var/events --model deepfm

What to expect: progress bars, a lift table, then one JSON line with metrics on the last tenth of the impressions, which
come after all training data. On the simulator they include the best possible AUC. In the folder that models are served
from, the default, a model is written only if it is not worse than the one there, as in `publish`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pipelines.ctr_training import evidence
from pipelines.ctr_training.calibrating import Method, calibrate
from pipelines.ctr_training.enough import Untrainable, check_trainable
from pipelines.ctr_training.figures import bins, report
from pipelines.ctr_training.fitting import FitOptions, fit, logits_of
from pipelines.ctr_training.sources import ClickSource, ClickSourceError, progress_bars
from pipelines.datasets import ClickData
from pipelines.gate.comparison import GateClosed
from pipelines.gate.served import admit_ctr
from pipelines.served import NothingServed
from pipelines.served_folders import check_folder, is_served
from raybid.refusing import refuse
from rtb.models import ctr
from rtb.models.ctr import Calibration, CTRNetwork, Model
from rtb.models.registry import RegistryError
from rtb.models.scores import CLICK
from rtb.models.shared import share_trained
from rtb.runtime.settings import Settings
from rtb.store import open_store
from rtb.tables import BadTable

_TRAIN, _CALIBRATE = 0.8, 0.9  # where the rows for validation and calibration begin, and where those for the metrics do
_FEWEST = 100


class Trained(NamedTuple):
    """The result of a training.

    Attributes:
        network: fitted network.
        calibration: calibration of its logits.
        metrics: metrics on the last rows.
        probability: predictions for the last rows, shape `(n, 2)`.
        data: the last rows.
    """

    network: CTRNetwork
    calibration: Calibration
    metrics: dict[str, float]
    probability: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    data: ClickData


def main(
    *,
    data: Annotated[Path | None, typer.Option(help="table of impressions, iPinYou's columns with a header")] = None,
    events: Annotated[str | None, typer.Option(help="folder or s3:// URL of events of served traffic")] = None,
    impressions: Annotated[int, typer.Option(min=1_000, help="simulated impressions, without a source")] = 300_000,
    model: Annotated[Model, typer.Option(help="kind of network")] = "lr",
    calibration: Annotated[Method, typer.Option(help="isotonic needs hundreds of clicks")] = "platt",
    keep_negatives: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="share of impressions without click that is trained on")
    ] = 1.0,
    epochs: Annotated[int, typer.Option(min=1, help="maximum passes, except for lr; validation stops earlier")] = 10,
    refit: Annotated[
        bool | None,
        typer.Option(help="retrain on all rows after computing the metrics; default: not on the simulator"),
    ] = None,
    seed: Annotated[int, typer.Option(help="seed of simulated traffic and the network")] = 1,
    out: Annotated[Path | None, typer.Option(help="artefact folder; default: the platform's")] = None,
) -> None:
    """Train the CTR model."""
    if data is not None and events is not None:
        refuse("train_ctr", "--data and --events exclude each other: give one", 2)
    started = time.monotonic()
    torch.set_num_threads(1)  # the steps are small: threads would mostly wait for each other
    settings = Settings()
    folder = out or (settings.models_dir / "ctr" if settings.store else settings.ctr_dir)
    source = _source(data, events, impressions, seed)
    options = FitOptions(model=model, epochs=epochs, keep_negatives=keep_negatives, seed=seed)
    try:
        check_folder(settings, folder)
        again = source.kind != "simulator" if refit is None else refit
        with progress_bars() as progress:
            rows = _read(source, progress)
            trained = train(rows, options, calibration, refit=again, progress=progress)
        if is_served(settings.ctr_dir, folder):
            predicted = trained.probability[:, CLICK].astype(np.float64)
            admit_ctr(folder, predicted, trained.data, source, len(rows) - len(trained.data))
        used = len(rows) if again else int(len(rows) * _TRAIN)
        meta = ctr.save(
            folder,
            trained.network,
            metrics=trained.metrics,
            trained_on=f"{source}: {used} impressions",
            calibration=trained.calibration,
            source=source.record(used),
        )
        artefact = share_trained(settings, folder, "ctr")
    except (BadTable, NothingServed, GateClosed, RegistryError, ClickSourceError, Untrainable, OSError) as error:
        refuse("train_ctr", error)
    _show_lift(trained)
    summary = {
        **{name: round(value, 5) for name, value in trained.metrics.items()},
        "model": model,
        "impressions": len(rows),
        "clicks": int(rows.click.sum()),
        "trained_on": used,
        "seconds": round(time.monotonic() - started, 1),
        "artefact": artefact,
        "version": meta.version,
    }
    typer.echo(msgspec.json.encode(summary).decode())


def train(
    rows: ClickData, options: FitOptions, method: Method, *, refit: bool = False, progress: Progress | None = None
) -> Trained:
    """Fit on the first rows, calibrate on the next, compute metrics on the last.

    Args:
        rows: impressions in time order.
        options: options of the fit.
        method: method of calibration.
        refit: fit again on all rows after computing the metrics, with as many passes; the calibration stays.
        progress: progress bars to use.

    Raises:
        Untrainable: the impressions are not enough, or the predictions are not finite.
    """
    training, later = rows.split(_TRAIN)
    held, last = later.split((_CALIBRATE - _TRAIN) / (1.0 - _TRAIN))
    check_trainable(training, held, last, options.keep_negatives)
    network, passes = _fit(training, held, options, "training", progress)
    calibration = calibrate(method, logits_of(network, held.rows), held)
    probability = calibration.probabilities(logits_of(network, last.rows))
    if not np.isfinite(probability).all():
        raise Untrainable("the predictions are not finite: train another model")
    metrics = report(probability, last)
    if refit:
        network, _ = _fit(rows, None, replace(options, epochs=passes), "training on all rows", progress)
    return Trained(network, calibration, metrics, probability, last)


def _fit(
    training: ClickData, validation: ClickData | None, options: FitOptions, name: str, progress: Progress | None
) -> tuple[CTRNetwork, int]:
    if progress is None:
        return fit(training, validation, options)
    steps = 2 * evidence.ROUNDS + (0 if options.model == "lr" else options.epochs + 1)
    task = progress.add_task(name, total=steps)

    def show(part: str) -> None:
        progress.update(task, advance=1, description=f"{name} ({part})")

    found = fit(training, validation, options, show)
    progress.update(task, completed=steps)
    return found


def _source(data: Path | None, events: str | None, impressions: int, seed: int) -> ClickSource:
    if data is not None:
        return ClickSource("table", data)
    return (
        ClickSource("events", events=open_store(events))
        if events is not None
        else ClickSource("simulator", impressions=impressions, seed=seed)
    )


def _read(source: ClickSource, progress: Progress) -> ClickData:
    rows = source.read(progress)
    if len(rows) < _FEWEST:
        raise ClickSourceError(f"{source} has {len(rows)} impressions: at least {_FEWEST} are needed")
    return rows


def _show_lift(trained: Trained) -> None:
    """Show the last rows in tenths by prediction, the best first."""
    if not len(trained.data):
        return
    table = Table("tenth", "impressions", "predicted", "observed", "lift", title="clicks by prediction, held-out rows")
    found = bins(trained.probability[:, CLICK], trained.data.click)
    for number, part in enumerate(reversed(found), 1):
        table.add_row(
            str(number), str(part.impressions), f"{part.predicted:.3%}", f"{part.observed:.3%}", f"{part.lift:.2f}"
        )
    Console(stderr=True).print(table)


if __name__ == "__main__":
    typer.run(main)
