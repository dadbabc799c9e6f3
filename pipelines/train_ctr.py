"""Train the CTR model on the simulated market.

How to run:

    python -m pipelines.train_ctr --impressions 500000

What to expect: a progress bar, then one JSON line with the AUC on the last fifth of the traffic beside the best AUC
anyone could reach there (the market knows the true probabilities).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from torch import Tensor, nn

from pipelines import reference
from pipelines.datasets import ClickData, simulate
from rtb import ctr
from rtb.ctr import CLICK, CONVERSION, CTRNetwork, CTRScorer
from rtb.market.optimum import auc, expected_auc
from rtb.settings import Settings

_BATCH = 2_048
_TRAIN_FRACTION = 0.8


def main(
    impressions: Annotated[int, typer.Option(min=1_000, help="simulated impressions")] = 300_000,
    epochs: Annotated[int, typer.Option(min=1, help="most passes over the data; stops early by validation")] = 6,
    seed: Annotated[int, typer.Option(help="of the traffic and the network")] = 1,
    out: Annotated[Path | None, typer.Option(help="artefact folder; default: the platform's")] = None,
) -> None:
    """Train the CTR model on the simulated market."""
    started = time.monotonic()
    torch.set_num_threads(1)  # the steps are small: threads would mostly wait for each other
    folder = out or Settings().ctr_dir
    with _progress() as progress:
        task = progress.add_task("simulating impressions", total=impressions)
        market, campaigns = reference.market(), reference.campaigns()
        data = simulate(market, campaigns, impressions, seed, lambda n: progress.advance(task, n))
        training, validation = data.split(_TRAIN_FRACTION)
        network = fit(training, validation, epochs=epochs, seed=seed, progress=progress)
    metrics = evaluate(network, validation)
    meta = ctr.save(
        folder,
        network,
        metrics=metrics,
        trained_on=f"simulated market {reference.MARKET_SEED}, {len(training)} impressions, seed {seed}",
    )
    summary = {
        **{name: round(value, 5) for name, value in metrics.items()},
        "impressions": len(data),
        "seconds": round(time.monotonic() - started, 1),
        "artefact": str(folder),
        "version": meta.version,
    }
    typer.echo(msgspec.json.encode(summary).decode())


def fit(
    training: ClickData, validation: ClickData, *, epochs: int, seed: int, progress: Progress | None = None
) -> CTRNetwork:
    """A network trained by Adam until the validation loss rises, or for `epochs` passes; the best one is returned."""
    torch.manual_seed(seed)
    network = CTRNetwork()
    base = np.clip(training.click.mean(), 1e-4, 1 - 1e-4)
    with torch.no_grad():  # start at the mean, so that the first steps go into differences
        network.bias[CLICK] = float(np.log(base / (1 - base)))
        network.bias[CONVERSION] = -3.0
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=0.0)
    best_loss, best_state = np.inf, network.state_dict()
    task = progress.add_task("training", total=epochs) if progress else None
    for epoch in range(epochs):
        _one_pass(network, optimiser, training, np.random.default_rng([seed, epoch]))
        loss = _validation_loss(network, validation)
        if progress and task is not None:
            progress.update(task, advance=1, description=f"training (validation loss {loss:.5f})")
        if loss >= best_loss:
            break
        best_loss, best_state = loss, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(best_state)
    return network


def evaluate(network: CTRNetwork, data: ClickData) -> dict[str, float]:
    """AUC beside the best one possible in expectation, log loss, and predicted over observed CTR."""
    pctr = CTRScorer(network, "candidate").score(data.rows)[:, CLICK].astype(np.float64)
    observed = max(float(data.click.mean()), 1e-9)
    return {
        "auc": auc(pctr, data.click),
        "auc_expected": expected_auc(pctr, data.truth),
        "auc_best": expected_auc(data.truth, data.truth),
        "logloss": _log_loss(pctr, data.click),
        "logloss_of_mean": _log_loss(np.full(len(data), observed), data.click),
        "calibration": float(pctr.mean()) / observed,
        "ctr": observed,
    }


def _one_pass(network: CTRNetwork, optimiser: torch.optim.Optimizer, data: ClickData, rng: np.random.Generator) -> None:
    network.train()
    order = rng.permutation(len(data))
    for start in range(0, len(order), _BATCH):
        index = order[start : start + _BATCH]
        loss = (
            _loss(network, data, index)
            + 1e-5 * network.embedding(torch.from_numpy(data.rows[index])).square().sum(dim=(1, 2)).mean()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _loss(network: CTRNetwork, data: ClickData, index: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Tensor:
    """Cross entropy of the click, plus that of the conversion where there was a click."""
    logits = network(torch.from_numpy(data.rows[index]))
    click = torch.from_numpy(data.click[index])
    conversion = torch.from_numpy(data.conversion[index])
    entropy = nn.functional.binary_cross_entropy_with_logits
    clicked = entropy(logits[:, CONVERSION], conversion, weight=click, reduction="sum") / len(index)
    return entropy(logits[:, CLICK], click) + clicked


def _validation_loss(network: CTRNetwork, data: ClickData) -> float:
    network.eval()
    with torch.inference_mode():
        return float(_loss(network, data, np.arange(len(data))))


def _log_loss(
    p: np.ndarray[tuple[int], np.dtype[np.float64]], click: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> float:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return float(-np.mean(click * np.log(p) + (1 - click) * np.log(1 - p)))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


if __name__ == "__main__":
    typer.run(main)
