"""The Router: the ASGI ingress, with a raw fast path for exchanges and a FastAPI application for people."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from ray import serve

from deployments.auction_runner import Stages
from deployments.bootstrap.router import router_parts
from deployments.ingress import register_front
from deployments.listening import listen_on_node_address
from deployments.scaling import HELD

_GC_THRESHOLDS = (50_000, 20, 20)
"""A batch makes tens of thousands of objects that reference counting frees; at Python's default of 700 the collector
would scan them dozens of times."""


class Router:
    """The deployment around the parts of one ingress replica.

    Attributes:
        parts: its parts.

    Args:
        stages: makes the stages, local or remote, from `handles`: see `app.py`.
        controller: handle of the Controller.
        handles: handles that remote stages need.
    """

    def __init__(self, stages: Callable[..., Stages], controller: Any, **handles: Any) -> None:
        listen_on_node_address()
        self.parts = router_parts(stages(**handles), controller)

    def __serve_build_asgi_app__(self) -> Any:
        """Return the ASGI application for requests that come by way of Serve."""
        return self.parts.front

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Return the figures that Serve scales by."""
        return {HELD: float(self.parts.front.held)}

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Set which artefacts the stages in this replica serve."""
        await self.parts.replica.stages.reconfigure(config)

    async def check_health(self) -> None:
        """Check the replica's health. Serve does so before the first request: by its end the campaigns are known."""
        if not self.parts.background.is_running:
            await self.parts.replica.snapshots.catch_up()
        if self.parts.background.start():
            gc.freeze()  # modules and models stay: the collector need not look at them again
            gc.set_threshold(*_GC_THRESHOLDS)
            register_front(self.parts.front)
        await self.parts.replica.stages.check_health()


RouterDeployment = serve.deployment(serve.ingress()(Router), name="Router")
