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
from deployments.readiness import UNAVAILABLE, ReplicaReadiness, StageReadiness, stage_readiness
from deployments.rl_bidder import RLBidder, RLBidderDeployment
from deployments.router import RouterDeployment
from deployments.stage_call import StageCall, StageUnavailable
from deployments.wiring import LimitedLog
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


_ASKING_SECONDS = 0.5
"""The longest wait for what replicas say of themselves."""


class RemoteStages:
    """Stages behind Serve handles: arrays travel between processes, and each deployment scales on its own."""

    in_flight = 3  # one batch in each stage while another is assembled

    def __init__(self, ctr_model: DeploymentHandle, rl_bidder: DeploymentHandle) -> None:
        options = {"_by_reference": False, "request_serialization": "pickle", "response_serialization": "pickle"}
        handles = {"CTRModel": ctr_model, "RLBidder": rl_bidder}
        asking = {name: handle.options(method_name="artefact", **options) for name, handle in handles.items()}
        self._score = StageCall("CTRModel", ctr_model.options(method_name="score", **options), asking["CTRModel"])
        self._decide = StageCall("RLBidder", rl_bidder.options(method_name="decide", **options), asking["RLBidder"])
        self._artefacts = [*asking.values()]
        self._all = {name: handle.options(method_name="readiness", **options) for name, handle in handles.items()}
        self._log = LimitedLog()

    async def score(self, rows: Rows, seconds: float) -> Scores:
        """See `CTRModel.score`; raise `StageUnavailable` also where its replica failed: the batch goes on without."""
        try:
            scores: Scores = await self._score(rows, seconds)
        except StageUnavailable:
            raise
        except Exception as error:  # whatever a handle raises: the replica died under this batch, say
            self._log.warning(f"CTRModel failed: {type(error).__name__}: {error}")
            raise StageUnavailable("CTRModel failed") from error
        return scores

    async def decide(self, auction: Auction, seconds: float) -> AuctionOutcome:
        """See `RLBidder.decide`; raise `StageUnavailable` where it does not answer in time."""
        decisions: AuctionOutcome = await self._decide(auction, seconds)
        return decisions

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Do nothing: the deployments have a `user_config` of their own."""

    async def check_health(self) -> None:
        """Do nothing: Serve checks the deployments themselves."""

    async def artefacts(self) -> dict[str, dict[str, Any]]:
        """Describe the models in use, as one replica of each deployment reports them."""
        ctr, policy = await asyncio.gather(*(asked.remote() for asked in self._artefacts))
        return {"ctr": ctr, "policy": policy}

    async def readiness(self) -> dict[str, StageReadiness]:
        """Ask each replica of each stage what it lacks."""
        found = await asyncio.gather(*(_asked(handle) for handle in self._all.values()))
        return dict(zip(self._all, found, strict=True))


class LocalStages:
    """Stages inside the Router's replica, without a hop between processes."""

    in_flight = 1

    def __init__(self) -> None:
        self._ctr_model = CTRModel()
        self._rl_bidder = RLBidder()

    async def score(self, rows: Rows, seconds: float) -> Scores:
        """See `CTRModel.score`; nothing is waited for."""
        return await self._ctr_model.score(rows)

    async def decide(self, auction: Auction, seconds: float) -> AuctionOutcome:
        """See `RLBidder.decide`; nothing is waited for."""
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

    async def readiness(self) -> dict[str, StageReadiness]:
        """Say what both stages lack."""
        ctr, policy = await self._ctr_model.readiness(), await self._rl_bidder.readiness()
        said = {"CTRModel": ctr, "RLBidder": policy}
        return {name: stage_readiness([one], is_silent=False) for name, one in said.items()}


async def _asked(handle: DeploymentHandle) -> StageReadiness:
    """Ask all replicas of a stage what they lack, or one of them where not all answer."""
    try:
        found = await handle.broadcast("readiness").results_async(timeout_s=_ASKING_SECONDS, return_exceptions=True)
    except TimeoutError:
        return await _one_asked(handle)
    except Exception:  # whatever a handle raises: there is no replica
        return UNAVAILABLE
    answers = [one for one in found if isinstance(one, ReplicaReadiness)]
    return stage_readiness(answers, is_silent=len(answers) < len(found))


async def _one_asked(handle: DeploymentHandle) -> StageReadiness:
    try:
        async with asyncio.timeout(_ASKING_SECONDS):
            return stage_readiness([await handle.remote()], is_silent=True)
    except Exception:  # a time-out, or whatever a handle raises
        return UNAVAILABLE


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
