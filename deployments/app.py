"""The application Serve deploys, `deployments.app:build`: the only place that decides where each stage runs.

This module must not postpone annotations: Serve reads `Args` off `build`'s signature.
"""

import asyncio
from typing import Any, Literal

from pydantic import BaseModel
from ray.serve import Application, Deployment
from ray.serve.handle import DeploymentHandle

from deployments.controller import ControllerDeployment
from deployments.ctr_model import CTRModel, CTRModelDeployment
from deployments.rl_bidder import RLBidder, RLBidderDeployment
from deployments.router import RouterDeployment
from rtb.auction.stages import Auction, AuctionOutcome
from rtb.models.features import Rows
from rtb.models.scores import Scores


class Args(BaseModel):
    """Arguments of the application, under `args:` in `serve_config.yaml`.

    Attributes:
        graph: `composed`: models and bidder are deployments of their own, each scaled on its own; `colocated`: they
            live in the Router's replica, with the least latency on a small machine. Both answer the same.
    """

    graph: Literal["composed", "colocated"] = "composed"


class RemoteStages:
    """Stages behind Serve handles: arrays travel between processes, and each deployment scales on its own."""

    in_flight = 3  # one batch in each stage while another is assembled

    def __init__(self, ctr_model: DeploymentHandle, rl_bidder: DeploymentHandle) -> None:
        options = {"_by_reference": False, "request_serialization": "pickle", "response_serialization": "pickle"}
        self._score = ctr_model.options(method_name="score", **options)
        self._decide = rl_bidder.options(method_name="decide", **options)
        self._artefacts = [handle.options(method_name="artefact") for handle in (ctr_model, rl_bidder)]

    async def score(self, rows: Rows) -> Scores:
        """See `CTRModel.score`."""
        scores: Scores = await self._score.remote(rows)
        return scores

    async def decide(self, auction: Auction) -> AuctionOutcome:
        """See `RLBidder.decide`."""
        decisions: AuctionOutcome = await self._decide.remote(auction)
        return decisions

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Do nothing: the deployments have a `user_config` of their own."""

    async def check_health(self) -> None:
        """Do nothing: Serve checks the deployments themselves."""

    async def artefacts(self) -> dict[str, dict[str, Any]]:
        """Describe the models in use, as one replica of each deployment reports them."""
        ctr, policy = await asyncio.gather(*(asked.remote() for asked in self._artefacts))
        return {"ctr": ctr, "policy": policy}


class LocalStages:
    """Stages inside the Router's replica, without a hop between processes."""

    in_flight = 1

    def __init__(self) -> None:
        self._ctr_model = CTRModel()
        self._rl_bidder = RLBidder()

    async def score(self, rows: Rows) -> Scores:
        """See `CTRModel.score`."""
        return await self._ctr_model.score(rows)

    async def decide(self, auction: Auction) -> AuctionOutcome:
        """See `RLBidder.decide`."""
        return await self._rl_bidder.decide(auction)

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Set which artefacts to serve."""
        await self._ctr_model.reconfigure(config)
        await self._rl_bidder.reconfigure(config)

    async def check_health(self) -> None:
        """Start the background work of both stages."""
        await self._ctr_model.check_health()
        await self._rl_bidder.check_health()

    async def artefacts(self) -> dict[str, dict[str, Any]]:
        """Describe the models in use."""
        return {"ctr": await self._ctr_model.artefact(), "policy": await self._rl_bidder.artefact()}


def build(args: Args) -> Application:
    """Build the application that `serve_config.yaml` deploys."""
    return graph(args, RouterDeployment)


def graph(args: Args, router: Deployment) -> Application:
    """Bind a Router, models and bidder behind or inside it, and the Controller beside it."""
    controller = ControllerDeployment.bind()
    if args.graph == "colocated":
        return router.bind(LocalStages, controller)
    return router.bind(
        RemoteStages, controller, ctr_model=CTRModelDeployment.bind(), rl_bidder=RLBidderDeployment.bind()
    )
