"""A learned bidding policy for serving: from observation to multiplier, in plain numpy.

RLlib trains it; `pipelines.train_policy` exports the network's layers; this module runs them without RLlib. A policy is
a small multilayer perceptron whose last layer is either the mean of a continuous action (PPO) or one advantage per
multiplier level (DQN).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from rtb.models import artefacts
from rtb.models.observation import MULTIPLIER_HIGH, MULTIPLIER_LOW, OBSERVATION, OBSERVATION_SIZE, SCHEMA_VERSION

Activation = Literal["tanh", "relu", "elu"]
Head = Literal["continuous", "levels"]


@dataclass(frozen=True)
class Policy:
    """A multilayer perceptron over pacing observations.

    Attributes:
        layers: `(weight (out, in), bias (out,))` per layer, float32.
        activation: non-linearity between layers.
        head: `continuous`: one output in [-1, 1], stretched over the multiplier's range; `levels`: one output per
            level, the largest wins.
        levels: multipliers of the levels, shape `(k,)`; empty for a continuous head.
        version: version of the weights.
    """

    layers: tuple[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]], ...]
    activation: Activation
    head: Head
    levels: npt.NDArray[np.float64]
    version: str

    def forward(self, observation: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the raw outputs of the last layer, shape `(n, outputs)`, for observations `(n, OBSERVATION_SIZE)`."""
        hidden = observation
        for weight, bias in self.layers[:-1]:
            hidden = _activate(hidden @ weight.T + bias, self.activation)
        weight, bias = self.layers[-1]
        return hidden @ weight.T + bias

    def multipliers(self, observation: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return multipliers, shape `(n,)`, within the action range, for observations `(n, OBSERVATION_SIZE)`."""
        outputs = self.forward(observation).astype(np.float64)
        if self.head == "levels":
            chosen: npt.NDArray[np.float64] = self.levels[np.argmax(outputs, axis=1)]
            return chosen
        return unsquash(outputs[:, 0])


def unsquash(action: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the multiplier of an action in [-1, 1], linear in logarithm: action 0 is 1.0, the closed loop itself."""
    low, high = np.log(MULTIPLIER_LOW), np.log(MULTIPLIER_HIGH)
    multiplier: npt.NDArray[np.float64] = np.exp(low + (np.clip(action, -1.0, 1.0) + 1.0) * (high - low) / 2.0)
    return multiplier


def multiplier_levels(count: int) -> npt.NDArray[np.float64]:
    """Return `count` multipliers, log-spaced over the action range, with the nearest to 1.0 set to exactly that."""
    levels = np.geomspace(MULTIPLIER_LOW, MULTIPLIER_HIGH, count)
    levels[np.argmin(np.abs(np.log(levels)))] = 1.0
    return levels


def save(
    folder: Path,
    policy: Policy,
    *,
    metrics: dict[str, float],
    trained_on: str,
    config: dict[str, object] | None = None,
) -> artefacts.Meta:
    """Write a policy as an artefact; `config` adds its training configuration to the metadata."""
    tensors: artefacts.Tensors = {}
    for number, (weight, bias) in enumerate(policy.layers):
        tensors[f"layer.{number}.weight"] = weight.astype(np.float32)
        tensors[f"layer.{number}.bias"] = bias.astype(np.float32)
    shape = {
        "layers": len(policy.layers),
        "activation": policy.activation,
        "head": policy.head,
        "levels": policy.levels.tolist(),
        "observation": list(OBSERVATION),
    }
    return artefacts.save(
        folder,
        kind="policy",
        schema_version=SCHEMA_VERSION,
        tensors=tensors,
        config={**(config or {}), **shape},
        metrics=metrics,
        trained_on=trained_on,
    )


def load(folder: Path) -> Policy:
    """Read a policy artefact.

    Raises:
        artefacts.ArtefactError: it is missing, damaged, or trained on another observation.
    """
    artefact = artefacts.load(folder, kind="policy", schema_version=SCHEMA_VERSION)
    config = artefact.meta.config
    try:
        layers = tuple(
            (artefact.tensors[f"layer.{n}.weight"], artefact.tensors[f"layer.{n}.bias"])
            for n in range(config["layers"])
        )
        return Policy(
            layers=layers,
            activation=cast(Activation, config["activation"]),
            head=cast(Head, config["head"]),
            levels=np.array(config["levels"], np.float64),
            version=artefact.meta.version,
        )
    except KeyError as error:
        raise artefacts.ArtefactError(f"{folder} lacks {error}: train it again") from error


def neutral() -> Policy:
    """Return the policy that multiplies by 1.0: the default before training, and the baseline to beat."""
    layer = np.zeros((1, OBSERVATION_SIZE), np.float32), np.zeros(1, np.float32)
    # One level, since a float32 action never maps to exactly 1.0.
    return Policy((layer,), "tanh", "levels", np.array([1.0]), "neutral")


def _activate(values: npt.NDArray[np.float32], activation: Activation) -> npt.NDArray[np.float32]:
    if activation == "tanh":
        return np.tanh(values)
    if activation == "relu":
        return np.maximum(values, 0.0)
    return np.where(values > 0, values, np.expm1(np.minimum(values, 0.0)))
