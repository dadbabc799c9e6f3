"""The request router of the stages: a replica that does not answer gets no more batches until it answers a probe.

Serve builds one in each process with a handle of a deployment whose `request_router_config` names it
(`serve_config.yaml`). Its own router, which this one extends, would go on choosing a replica whose host was cut off.
"""

from __future__ import annotations

import random
from typing import Any

from ray.serve._private.common import ReplicaID, RequestMetadata, RunningReplicaInfo
from ray.serve._private.request_router.common import PendingRequest
from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter
from ray.serve._private.request_router.replica_wrapper import RunningReplica
from ray.serve._private.utils import generate_request_id

from deployments.wiring import logger
from rtb.runtime.breaker import Breaker

_PROBE = "artefact"
"""A cheap method of each stage."""


class WatchedReplica(RunningReplica):
    """A replica as its callers see it, with a breaker: calls cancelled by their deadline open it.

    Attributes:
        breaker: its breaker.
    """

    _channel: Any
    _stub: Any

    def __init__(self, replica_info: RunningReplicaInfo) -> None:
        super().__init__(replica_info)
        self.breaker = Breaker(self._ask, on_change=self._tell)

    def try_send_request(self, pr: PendingRequest, with_rejection: bool) -> Any:
        """Send a request, and note whether it is answered."""
        result = super().try_send_request(pr, with_rejection)
        result.add_done_callback(self._ended)
        return result

    async def get_queue_len(self, *, deadline_s: float) -> int:
        """Return the length of its queue; Serve cancels this at its deadline."""
        length: int | None = None
        try:
            length = await super().get_queue_len(deadline_s=deadline_s)
        finally:
            if length is None:
                self.breaker.failed()
        return length

    def _ended(self, call: Any) -> None:
        """Note the end of a gRPC call; one to an actor has no such state, and is not counted."""
        was_cancelled = getattr(call, "cancelled", None)
        if was_cancelled is None:
            return
        if was_cancelled():
            self.breaker.failed()
        else:
            self.breaker.answered()

    async def _ask(self) -> None:
        """Call the replica on a new connection: on one that was cut, TCP tries again after seconds only."""
        if self._channel is not None:
            await self._channel.close()
        self._channel = self._stub = self._grpc_replica_wrapper = None
        request = RequestMetadata(
            request_id=generate_request_id(),
            internal_request_id=generate_request_id(),
            call_method=_PROBE,
            _by_reference=False,
            _on_separate_loop=False,
        )
        await super().try_send_request(PendingRequest([], {}, request), False).get_async()

    def _tell(self, is_open: bool) -> None:
        name = self.replica_id.to_full_id_str()
        if is_open:
            logger.warning(f"{name} does not answer: it gets no batches until it does")
        else:
            logger.info(f"{name} answers again")


class ReplicaRouter(PowerOfTwoChoicesRequestRouter):
    """Serve's own choice, the shorter queue of two, among the replicas that answer."""

    def create_replica_wrapper(self, replica_info: RunningReplicaInfo) -> RunningReplica:
        """Return a replica with a breaker."""
        return WatchedReplica(replica_info)

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        """Forget a replica that died."""
        gone = self.curr_replicas.get(replica_id)
        super().on_replica_actor_died(replica_id)
        _forget(gone)

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Take over which replicas there are, and forget others."""
        before = self.curr_replicas
        super().update_replicas(replicas)
        for replica_id in before.keys() - self.curr_replicas.keys():
            _forget(before[replica_id])

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Return two of the replicas that answer; none where none does: Serve asks again, later and later."""
        answering = [one for one in candidate_replicas if not _is_silent(one)]
        if len(answering) == len(candidate_replicas):
            found: list[list[RunningReplica]] = await super().choose_replicas(candidate_replicas, pending_request)
            return found
        if pending_request is not None:
            pending_request.routing_context.should_backoff = True  # else it is asked again without a pause
        return [random.sample(answering, min(2, len(answering)))] if answering else []


def _is_silent(replica: RunningReplica) -> bool:
    return isinstance(replica, WatchedReplica) and replica.breaker.is_open


def _forget(replica: RunningReplica | None) -> None:
    """Stop the probes of a replica that is gone."""
    if isinstance(replica, WatchedReplica):
        replica.breaker.stop()
