"""The request router of the stages: who gets batches, without Serve."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import yaml
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID, RequestMetadata
from ray.serve._private.request_router.common import PendingRequest
from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter
from ray.serve._private.request_router.replica_wrapper import RunningReplica
from ray.serve.config import RequestRouterConfig
from ray.serve.schema import ServeDeploySchema

from deployments.replica_router import ReplicaRouter, WatchedReplica
from raybid.local.environment import ROOT

DEPLOYMENT = DeploymentID("CTRModel", "raybid")


class Call:
    """A gRPC call that was sent: answered, or given up."""

    def __init__(self, *, is_cancelled: bool) -> None:
        self._is_cancelled = is_cancelled

    def add_done_callback(self, callback: Any) -> None:
        callback(self)

    def cancelled(self) -> bool:
        return self._is_cancelled


class Actor:
    """The actor of a replica; it answers how long its queue is, or never."""

    _actor_id = "an actor"

    def __init__(self) -> None:
        self.get_num_ongoing_requests = SimpleNamespace(remote=self._length)
        self.answers = True

    async def _length(self) -> int:
        if not self.answers:
            await asyncio.Event().wait()
        return 0


def _replica(name: str) -> Any:
    """Return what Serve tells a router of a replica."""
    return SimpleNamespace(
        replica_id=ReplicaID(name, DEPLOYMENT),
        multiplexed_model_ids=[],
        get_actor_handle=Actor,
        is_cross_language=False,
        max_ongoing_requests=64,
        node_id="node",
        availability_zone=None,
    )


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Call]:
    """How calls to a replica end, by its name."""
    calls: dict[str, Call] = {}

    def send(self: RunningReplica, pr: Any, with_rejection: bool) -> Any:
        return calls[self.replica_id.unique_id]

    monkeypatch.setattr(RunningReplica, "try_send_request", send)
    return calls


def _router(*names: str) -> ReplicaRouter:
    router = ReplicaRouter(deployment_id=DEPLOYMENT, handle_source=DeploymentHandleSource.REPLICA)
    _update(router, *names)
    return router


def _update(router: ReplicaRouter, *names: str) -> None:
    known = {replica_id.unique_id: one for replica_id, one in router.curr_replicas.items()}
    router.update_replicas([known.get(name) or router.create_replica_wrapper(_replica(name)) for name in names])


def _watched(router: ReplicaRouter, name: str) -> WatchedReplica:
    found = router.curr_replicas[ReplicaID(name, DEPLOYMENT)]
    assert isinstance(found, WatchedReplica)
    return found


def _pending() -> PendingRequest:
    return PendingRequest([], {}, RequestMetadata("request", "request"))


async def _chosen(router: ReplicaRouter, times: int = 50) -> Counter[str]:
    found: Counter[str] = Counter()
    for _ in range(times):
        for rank in await router.choose_replicas([*router.curr_replicas.values()], _pending()):
            found.update(replica.replica_id.unique_id for replica in rank)
    return found


@pytest.mark.usefixtures("sent")
def test_all_are_chosen_while_all_answer() -> None:
    async def main() -> None:
        assert set(await _chosen(_router("a", "b", "c"))) == {"a", "b", "c"}

    asyncio.run(main())


def test_one_whose_calls_are_given_up_is_left_out_until_it_answers(sent: dict[str, Call]) -> None:
    async def main() -> None:
        router = _router("a", "b", "c")
        sent["a"] = Call(is_cancelled=True)
        for _ in range(3):
            assert set(await _chosen(router)) == {"a", "b", "c"}
            _watched(router, "a").try_send_request(_pending(), with_rejection=True)
        assert set(await _chosen(router)) == {"b", "c"}
        sent["a"] = Call(is_cancelled=False)
        _watched(router, "a").try_send_request(_pending(), with_rejection=True)  # a late answer
        assert set(await _chosen(router)) == {"a", "b", "c"}

    asyncio.run(main())


def test_where_none_answers_none_is_chosen_and_serve_is_told_to_pause(sent: dict[str, Call]) -> None:
    async def main() -> None:
        router = _router("a")
        sent["a"] = Call(is_cancelled=True)
        for _ in range(3):
            _watched(router, "a").try_send_request(_pending(), with_rejection=True)
        pending = _pending()
        assert await router.choose_replicas([*router.curr_replicas.values()], pending) == []
        assert pending.routing_context.should_backoff
        _update(router, "a", "new")
        assert set(await _chosen(router)) == {"new"}

    asyncio.run(main())


@pytest.mark.usefixtures("sent")
def test_a_queue_whose_length_is_not_told_in_time_counts_as_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cancel", lambda reference: None)  # it would start a Ray

    async def main() -> None:
        router = _router("a")
        replica = _watched(router, "a")
        assert await replica.get_queue_len(deadline_s=0.1) == 0
        actor: Any = replica._actor_handle
        actor.answers = False
        for _ in range(3):
            task = asyncio.ensure_future(replica.get_queue_len(deadline_s=0.1))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert replica.breaker.is_open

    asyncio.run(main())


@pytest.mark.parametrize("how", ["gone", "died"])
def test_one_that_is_gone_is_probed_no_more(sent: dict[str, Call], how: str) -> None:
    async def main() -> None:
        router = _router("a", "b")
        replica = _watched(router, "a")
        sent["a"] = Call(is_cancelled=True)
        for _ in range(3):
            replica.try_send_request(_pending(), with_rejection=True)
        assert set(await _chosen(router)) == {"b"}
        if how == "gone":
            _update(router, "b")
        else:
            router.on_replica_actor_died(replica.replica_id)
        assert not replica.breaker.is_open
        assert set(await _chosen(router)) == {"b"}

    asyncio.run(main())


def test_serve_takes_it_for_both_stages_and_one_machine_holds_all_replicas() -> None:
    told = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    ServeDeploySchema.model_validate(told)
    deployments = {one["name"]: one for one in told["applications"][0]["deployments"]}
    for name in ("CTRModel", "RLBidder"):
        config = RequestRouterConfig(**deployments[name]["request_router_config"])
        sent: Any = config.get_request_router_class()  # as other processes get it: a copy, made of bytes
        assert sent.__name__ == ReplicaRouter.__name__
        assert issubclass(sent, PowerOfTwoChoicesRequestRouter)
    for name in ("Router", "CTRModel", "RLBidder"):
        one = deployments[name]
        assert one["max_replicas_per_node"] >= one["autoscaling_config"]["max_replicas"]
