"""Plain weights from RLlib's networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

Layer = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


def module_of(trained: Any) -> Any:
    """Return the RLModule of an algorithm, or the RLModule itself."""
    return trained.get_module() if hasattr(trained, "get_module") else trained


def dense(network: nn.Module) -> list[Layer]:
    """Return `(weight (out, in), bias (out,))` of the network's linear layers in order, as copies."""
    return [
        (layer.weight.detach().cpu().numpy().copy(), layer.bias.detach().cpu().numpy().copy())
        for layer in network.modules()
        if isinstance(layer, nn.Linear)
    ]
