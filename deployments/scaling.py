"""Autoscaling policies. Routers scale by the requests that they report to hold.

Serve counts only requests that it has records of, and it has none of bids (`deployments.ingress`).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from ray.serve.autoscaling_policy import default_autoscaling_policy
from ray.serve.config import AutoscalingContext
from ray.util.metrics import Gauge

_MOST = Gauge("raybid_replicas_most", "Replicas that autoscaling may make of a deployment.", tag_keys=("deployment",))
"""Beside Serve's own figures, which tell how many it wants: it wants all it may have while it wants too little."""

HELD = "requests_held"
"""What a Router's `record_autoscaling_stats` calls them."""


_Done = TypeVar("_Done")


class HeldRequests:
    """The number of requests that one Router is working on.

    Attributes:
        count: requests received whole and not answered yet.
    """

    def __init__(self) -> None:
        self.count = 0

    async def during(self, work: Awaitable[_Done]) -> _Done:
        """Count a request while it is worked on."""
        self.count += 1
        try:
            return await work
        finally:
            self.count -= 1


def by_requests_held(context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
    """Return the replicas that would hold `target_ongoing_requests` each, and no state.

    Serve keeps the number within bounds and delays, as it does with its own policy.
    """
    _tell_most(context)
    held = (context.aggregated_metrics or {}).get(HELD) or {}
    return sum(held.values()) / context.config.get_target_ongoing_requests(), {}


def by_batches(context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
    """Return the replicas that would hold `target_ongoing_requests` batches each: Serve's own policy."""
    _tell_most(context)
    wanted, state = default_autoscaling_policy(context)
    return wanted, state


def _tell_most(context: AutoscalingContext) -> None:
    """Export the bound; Serve calls a policy once a round of its controller's loop."""
    _MOST.set(context.config.max_replicas, {"deployment": context.deployment_name})
