"""Compare a CTR model with logistic regression and LightGBM, on impressions that none of them was trained on.

How to run:

    python -m pipelines.evaluate_ctr --model var/models/ctr --data later.tsv
    python -m pipelines.evaluate_ctr --model var/models/ctr --events var/events
    python -m pipelines.evaluate_ctr --model var/models/ctr                       # fresh simulated traffic

What to expect: both baselines are trained here on the rows that the model was trained on (or on `--train FILE`), with
the same encoding; then a table, and as the last line one JSON object with AUC, log loss and ECE of each of the three.
ECE is the mean distance of predicted and observed CTR over ten bins of equal size, in units of CTR.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pipelines.ctr_training.baselines import lightgbm, logistic_regression
from pipelines.ctr_training.figures import figures
from pipelines.ctr_training.sources import ClickSource, ClickSourceError, is_recorded, progress_bars, read_recorded
from pipelines.datasets import ClickData
from pipelines.served import NothingServed
from raybid.refusing import refuse
from rtb.models import ctr
from rtb.models.artefacts import ArtefactError, Meta
from rtb.models.ctr import CTRScorer
from rtb.models.scores import CLICK
from rtb.store import open_store
from rtb.tables import BadTable

_TRAFFIC_SEED = 900_002  # seed of simulated evaluation impressions: no training draws these unless told to
_CHUNK = 1 << 16

Figures = dict[str, dict[str, float]]


def main(
    model: Annotated[Path, typer.Option(help="model artefact")],
    data: Annotated[Path | None, typer.Option(help="table of impressions to evaluate on")] = None,
    events: Annotated[str | None, typer.Option(help="folder or s3:// URL of events to evaluate on")] = None,
    impressions: Annotated[int, typer.Option(min=1_000, help="simulated impressions, without a source")] = 200_000,
    train: Annotated[Path | None, typer.Option(help="training table of the baselines; default: the model's")] = None,
) -> None:
    """Compare a CTR model with two baselines."""
    if data is not None and events is not None:
        refuse("evaluate_ctr", "--data and --events exclude each other: give one", 2)
    torch.set_num_threads(1)
    try:
        with progress_bars() as progress:
            scorer, meta = ctr.load(model)
            judged = _judged(data, events, impressions, meta, progress)
            record = meta.config.get("source", {})
            training = read_recorded(record, progress) if train is None else ClickSource("table", train).read(progress)
            result = compare(scorer, training, judged, progress)
    except (ArtefactError, BadTable, NothingServed, ClickSourceError, OSError) as error:
        refuse("evaluate_ctr", error)
    _show(result, training, judged)
    typer.echo(msgspec.json.encode(result).decode())


def compare(scorer: CTRScorer, training: ClickData, judged: ClickData, progress: Progress) -> Figures:
    """Return the metrics of the three on `judged`; undefined AUCs are left out."""
    task = progress.add_task("logistic regression", total=3)
    logistic = logistic_regression(training, judged.rows)
    progress.update(task, advance=1, description="LightGBM")
    trees = lightgbm(training, judged.rows)
    progress.update(task, advance=1, description="ours")
    starts = range(0, len(judged), _CHUNK)
    ours = np.concatenate([scorer.score(judged.rows[start : start + _CHUNK])[:, CLICK] for start in starts])
    progress.advance(task)
    answers = {"ours": ours, "logistic_regression": logistic, "lightgbm": trees}
    return {
        name: {figure: value for figure, value in figures(chance, judged.click).items() if not math.isnan(value)}
        for name, chance in answers.items()
    }


def _judged(data: Path | None, events: str | None, impressions: int, meta: Meta, progress: Progress) -> ClickData:
    """Return the impressions to evaluate on; of events that the model was trained on, only later ones.

    Raises:
        SourceError: there are none.
    """
    source = ClickSource("simulator", impressions=impressions, seed=_TRAFFIC_SEED, traffic_seed=_TRAFFIC_SEED)
    if data is not None:
        source = ClickSource("table", data)
    elif events is not None:
        source = ClickSource("events", events=open_store(events))
    found = source.read(progress)
    record = meta.config.get("source", {})
    if not is_recorded(source, record):
        return found
    if source.kind == "table":
        progress.console.print(f"{data} is the training data of the model: its metrics mean little", style="yellow")
        return found
    later = found.take(slice(int(record["rows"]), None))
    if not len(later):
        raise ClickSourceError(
            f"the model was trained on all impressions in {events}: serve more, or give another folder"
        )
    return later


def _show(result: Figures, training: ClickData, judged: ClickData) -> None:
    clicks = f"{int(judged.click.sum())} clicks in {len(judged)} impressions"
    table = Table("", "AUC", "log loss", "ECE", title=f"{clicks}; baselines trained on {len(training)}")
    for name, found in result.items():
        cells = (f"{found[figure]:.5f}" if figure in found else "-" for figure in ("auc", "logloss", "ece"))
        table.add_row(name.replace("_", " "), *cells)
    Console(stderr=True).print(table)


if __name__ == "__main__":
    typer.run(main)
