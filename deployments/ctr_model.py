"""The CTR model as a deployment: feature rows in, probabilities out.

Every process of the graph imports this module. Only those that score import torch: see `rtb.models.scores`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import serve
from redis.exceptions import RedisError

from deployments.background import Background, Work
from deployments.hosts import check_hosts
from deployments.listening import listen_on_node_address
from deployments.models import ModelFeed
from deployments.readiness import ReplicaReadiness
from deployments.wiring import ledger_client, logger
from rtb.auction.stages import CTRStage
from rtb.models.artefacts import META
from rtb.models.features import Rows
from rtb.models.scores import Scores
from rtb.runtime.settings import Settings

if TYPE_CHECKING:
    from rtb.models.ctr import CTRScorer


class CTRModel:
    """The CTR stage of one replica, which follows the published model."""

    def __init__(self) -> None:
        import torch  # noqa: PLC0415

        torch.set_num_threads(1)  # replicas are how this scales; threads of one would fight the others for cores
        listen_on_node_address()
        settings = Settings()
        check_hosts(settings)
        self._stage = CTRStage(_untrained())
        self._feed = ModelFeed("ctr", ledger_client(settings), settings.ctr_dir, load_scorer, self._take)
        self._background = Background(
            Work("published CTR model", settings.pull_seconds, self._feed.pull, (RedisError, OSError))
        )

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Serve one model whatever is published: `{"ctr_artefact": folder}`; empty: what is published."""
        await self._feed.pin(config.get("ctr_artefact") or "")

    async def artefact(self) -> dict[str, Any]:
        """Describe the model in use."""
        return self._feed.told

    async def readiness(self) -> ReplicaReadiness:
        """Say what this replica lacks."""
        return ReplicaReadiness(self._feed.lacks)

    async def score(self, rows: Rows) -> Scores:
        """Score feature rows, shape `(n, fields)`: return probabilities, shape `(n, 2)`, and the model's version."""
        return self._stage.score(rows)

    async def check_health(self) -> None:
        """Check the replica's health. Serve does so before the first request: by its end the published model serves."""
        await self._feed.catch_up()
        self._background.start()

    def _take(self, scorer: CTRScorer) -> None:
        self._stage.scorer = scorer


def load_scorer(folder: Path) -> CTRScorer:
    """Load the CTR model in a folder; the prior where there is none. A damaged or foreign one is an error."""
    if not (folder / META).exists():
        logger.warning(f"no CTR model in {folder}: bidding on the prior; `make models` trains one")
        return _untrained()
    from rtb.models.ctr import CTRScorer  # noqa: PLC0415

    return CTRScorer.load(folder)


def _untrained() -> CTRScorer:
    from rtb.models.ctr import CTRScorer  # noqa: PLC0415

    return CTRScorer.untrained()


CTRModelDeployment = serve.deployment(CTRModel, name="CTRModel")
