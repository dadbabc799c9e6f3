"""The gate: whether a trained model may replace the champion; one implementation per kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rich.progress import Progress

from pipelines.gate.comparison import Comparison
from pipelines.gate.ctr import CTRGate
from pipelines.gate.held_out import HeldOut
from pipelines.gate.policy import PolicyGate

__all__ = ["CTRGate", "HeldOut", "ModelGate", "PolicyGate"]


class ModelGate(Protocol):
    """The gate of one kind of model."""

    def read(self, folder: Path) -> str:
        """Return the version of the model in a folder, if this code can serve it.

        Raises:
            ArtefactError: missing, damaged, of another schema or other inputs, or with weights that are not finite.
        """
        ...

    def compare(self, candidate: Path, champion: Path | None, progress: Progress) -> Comparison:
        """Compare both on held-out data; without a champion, compare with what serves before any is trained.

        Raises:
            NotComparable: the data cannot distinguish them.
            NothingServed: there are no events.
            LogError: the logs cannot be read.
        """
        ...
