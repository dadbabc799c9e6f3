"""The CTR model as a deployment: feature rows in, probabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ray import serve

from deployments.wiring import describe, load_scorer
from rtb.features import Rows
from rtb.settings import Settings
from rtb.stages import CTRStage


class CTRModel:
    """Holds the CTR stage of one replica."""

    def __init__(self) -> None:
        torch.set_num_threads(1)  # replicas are how this scales; threads of one would fight the others for cores
        self._settings = Settings()
        self._stage = CTRStage(load_scorer(self._settings.ctr_dir))
        self._artefact = describe(self._settings.ctr_dir)

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Swap the model in place: `{"ctr_artefact": folder}`, empty for the folder in the settings."""
        folder = Path(config.get("ctr_artefact") or self._settings.ctr_dir)
        self._stage.scorer = load_scorer(folder)
        self._artefact = describe(folder)

    async def artefact(self) -> dict[str, Any]:
        """What is known of the model in use."""
        return self._artefact

    async def score(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Probabilities, shape `(n, 2)`, for feature rows, shape `(n, fields)`."""
        return self._stage.score(rows)


CTRModelDeployment = serve.deployment(CTRModel, name="CTRModel")
