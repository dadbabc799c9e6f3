"""Fit a CTR network: first the wide part by evidence, then on top of it the interactions, if the model has any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipelines.ctr_training.evidence import fit_logistic
from pipelines.datasets import ClickData
from rtb.models import features
from rtb.models.ctr import PRIOR, CTRNetwork, Model
from rtb.models.ctr.networks import WIDE_FIELDS, wide_slots
from rtb.models.scores import CLICK, CONVERSION

_BATCH = 2_048
_PRIOR_WORTH = (1_000.0, 50.0)  # impressions, clicks: weight of `PRIOR` relative to the data
_CHUNK = 1 << 16

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FitOptions:
    """Options of a fit.

    Attributes:
        model: kind of network.
        dim: embedding size.
        hidden: layer widths of the perceptron.
        epochs: maximum passes of the interactions over the data; validation stops earlier.
        keep_negatives: share of the impressions without a click that is trained on; the logits are corrected.
        decay: weight decay of the interactions.
        seed: seed of the network, the passes and the sampling.
    """

    model: Model = "lr"
    dim: int = 8
    hidden: tuple[int, ...] = (64, 32)
    epochs: int = 10
    keep_negatives: float = 1.0
    decay: float = 1e-4
    seed: int = 1


def fit(
    training: ClickData,
    validation: ClickData | None,
    options: FitOptions,
    on_step: Callable[[str], None] = lambda _: None,
) -> tuple[CTRNetwork, int]:
    """Fit a network; return it and the number of passes of its interactions.

    Args:
        training: rows to learn from.
        validation: later rows, to keep the pass that does best on them. None: keep the last one.
        options: options of the fit.
        on_step: called with a description of each step, for a progress bar.
    """
    torch.manual_seed(options.seed)
    network = CTRNetwork(options.model, options.dim, options.hidden)
    kept = _sample(training, options)
    _fit_wide(network, kept, on_step)
    passes = _fit_interactions(network, kept, validation, options, on_step) if network.interactions is not None else 0
    with torch.no_grad():  # with fewer negatives, a click's odds are higher by the same factor
        network.bias[CLICK] += float(np.log(options.keep_negatives))
    return network.eval(), passes


def _sample(data: ClickData, options: FitOptions) -> ClickData:
    if options.keep_negatives >= 1.0:
        return data
    drawn = np.random.default_rng([options.seed, 3]).random(len(data))
    return data.take(np.flatnonzero((data.click > 0) | (drawn < options.keep_negatives)))


def _fit_wide(network: CTRNetwork, data: ClickData, on_step: Callable[[str], None]) -> None:
    """Fit the wide part: clicks on all rows, conversions on clicked rows."""
    clicked = np.flatnonzero(data.click > 0)
    labelled = ((CLICK, data.rows, data.click), (CONVERSION, data.rows[clicked], data.conversion[clicked]))
    for output, rows, label in labelled:
        columns, slots, group = _columns(rows)
        prior = (PRIOR[output], _PRIOR_WORTH[output])
        fitted = fit_logistic(columns, label, group, prior, lambda: on_step("wide part"))
        with torch.no_grad():
            network.wide.weight[torch.from_numpy(slots), output] = torch.from_numpy(fitted.weight).float()
            network.bias[output] = fitted.bias


def _columns(rows: features.Rows) -> tuple[npt.NDArray[np.int32], Ints, Ints]:
    """Return the occurring wide slots, renumbered: slot numbers per row, slot of each number, group of its field.

    Fields that are the same in all rows, and crosses with a campaign that is, would only double others: left out.
    """
    varies = (rows != rows[:1]).any(axis=0) if len(rows) else np.zeros(len(features.FIELDS), bool)
    places = [place for place, field in enumerate(WIDE_FIELDS) if _tells(field, varies)]
    slots = np.empty((len(rows), len(places)), np.int32)
    for start in range(0, len(rows), _CHUNK):
        part = wide_slots(torch.from_numpy(rows[start : start + _CHUNK]))
        slots[start : start + _CHUNK] = part[:, places].numpy()
    names = [field.split("_")[0] if "segment" in field else field for field in (WIDE_FIELDS[p] for p in places)]
    group_of = np.unique(names, return_inverse=True)[1] if names else np.zeros(0, np.int64)
    top = int(slots.max(initial=0)) + 1
    group = np.full(top, -1)
    for column in range(len(places)):
        group[slots[:, column]] = group_of[column]
    used = np.flatnonzero(group >= 0)
    number = np.zeros(top, np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    return number[slots], used, group[used]


def _tells(field: str, varies: npt.NDArray[np.bool_]) -> bool:
    campaign, crossed, other = field.partition("*")
    if not crossed:
        return bool(varies[features.FIELDS.index(field)])
    return bool(varies[features.FIELDS.index(campaign)] and varies[features.FIELDS.index(other)])


def _fit_interactions(
    network: CTRNetwork,
    data: ClickData,
    validation: ClickData | None,
    options: FitOptions,
    on_step: Callable[[str], None],
) -> int:
    """Train the interactions with Adam on the wide part's residual until validation loss rises; keep the best pass."""
    assert network.interactions is not None
    optimiser = torch.optim.AdamW(network.interactions.parameters(), lr=1e-3, weight_decay=options.decay)
    base = _wide_logits(network, data.rows)
    best_loss, best_state, best_pass = np.inf, {}, 0
    for number in range(options.epochs + 1):
        if number:
            _one_pass(network, optimiser, data, base, np.random.default_rng([options.seed, number]))
        loss = _loss_on(network, validation, options.keep_negatives) if validation is not None else -float(number)
        on_step("interactions")
        if loss >= best_loss:
            break
        best_loss, best_pass = loss, number
        best_state = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(best_state)
    return best_pass


def _one_pass(
    network: CTRNetwork, optimiser: torch.optim.Optimizer, data: ClickData, base: Tensor, rng: np.random.Generator
) -> None:
    assert network.interactions is not None
    network.train()
    order = rng.permutation(len(data))
    for start in range(0, len(order), _BATCH):
        index = order[start : start + _BATCH]
        logits = base[index] + network.interactions(torch.from_numpy(data.rows[index]))
        loss = _loss(logits, torch.from_numpy(data.click[index]), torch.from_numpy(data.conversion[index]))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _loss(logits: Tensor, click: Tensor, conversion: Tensor) -> Tensor:
    """Return the cross entropy of the click, plus that of the conversion after a click."""
    entropy = nn.functional.binary_cross_entropy_with_logits
    clicked = entropy(logits[:, CONVERSION], conversion, weight=click, reduction="sum") / len(click)
    return entropy(logits[:, CLICK], click) + clicked


def _loss_on(network: CTRNetwork, data: ClickData, keep_negatives: float) -> float:
    network.eval()
    corrected = logits_of(network, data.rows) + torch.tensor([float(np.log(keep_negatives)), 0.0])
    return float(_loss(corrected, torch.from_numpy(data.click), torch.from_numpy(data.conversion)))


def _wide_logits(network: CTRNetwork, rows: features.Rows) -> Tensor:
    with torch.no_grad():
        return torch.cat([network.wide(wide_slots(part)) + network.bias for part in _chunks(rows)])


def logits_of(network: CTRNetwork, rows: features.Rows) -> Tensor:
    """Return the logits of many rows, computed in chunks, shape `(n, 2)`."""
    with torch.no_grad():
        return torch.cat([network(part) for part in _chunks(rows)])


def _chunks(rows: features.Rows) -> Sequence[Tensor]:
    return torch.split(torch.from_numpy(rows), _CHUNK)
