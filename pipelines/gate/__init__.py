"""Whether a trained model may take the champion's place: a gate a kind of model, the same questions for each."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rich.progress import Progress

from pipelines.gate.comparison import Comparison
from pipelines.gate.ctr import CTRGate
from pipelines.gate.held_out import HeldOut
from pipelines.gate.policy import PolicyGate

__all__ = ["CTRGate", "Gate", "HeldOut", "PolicyGate"]


class Gate(Protocol):
    """Of a kind of model."""

    def read(self, folder: Path) -> str:
        """Version of the model in a folder, which this code can serve.

        Raises:
            ArtefactError: missing, damaged, of another schema or other inputs, or with weights that are no numbers.
        """
        ...

    def compare(self, candidate: Path, champion: Path | None, progress: Progress) -> Comparison:
        """Both on held-out data; without a champion, beside what serves before any is trained.

        Raises:
            NotComparable: the data cannot tell them apart.
            NothingServed: there are no events.
            LogError: the logs cannot be read.
        """
        ...
