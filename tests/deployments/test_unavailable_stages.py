"""Stages that do not answer: the batch goes on without them, soon, and they are asked no more until they answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.api.slots import SlotParts, answers
from deployments.app import RemoteStages
from deployments.readiness import ReplicaReadiness
from deployments.stage_call import StageCall, StageUnavailable
from rtb.explain.records import BatchRecord
from rtb.models.scores import PRIOR, UNTRAINED
from rtb.simple_api import FlatRequest
from tests.conftest import Valkey
from tests.deployments import test_router_load
from tests.rtb.builders import make_request, to_json

_SOON = 60.0


class Deployment:
    """What a handle of a stage is to its caller, with one replica that may hang, fail and recover.

    Attributes:
        calls: calls by method.
        cancelled: how many of them their caller gave up.
    """

    def __init__(self, **methods: Callable[..., Awaitable[Any]]) -> None:
        self._methods = methods
        self.calls: list[str] = []
        self.cancelled = 0
        self.lacks: list[str] = []
        self.error: Exception | None = None
        self._answers = asyncio.Event()
        self._answers.set()

    def hang(self) -> None:
        self._answers.clear()

    def recover(self) -> None:
        self._answers.set()

    def options(self, method_name: str, **options: Any) -> SimpleNamespace:
        async def remote(*arguments: Any) -> Any:
            self.calls.append(method_name)
            if self.error is not None:
                raise self.error
            try:
                await self._answers.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            return await self._methods[method_name](*arguments)

        return SimpleNamespace(remote=remote, broadcast=lambda name: SimpleNamespace(results_async=self._all))

    async def _all(self, *, timeout_s: float, return_exceptions: bool) -> list[Any]:
        assert return_exceptions
        async with asyncio.timeout(timeout_s):
            await self._answers.wait()
        return [ReplicaReadiness([]), ReplicaReadiness(self.lacks)]


async def _nothing(*_: Any) -> Any:
    return {"version": "of a test"}


def _call(deployment: Deployment) -> StageCall:
    return StageCall(
        "Stage", deployment.options(method_name="work"), deployment.options(method_name="artefact"), pause=0.0
    )


async def _open(call: StageCall) -> None:
    for _ in range(3):
        with pytest.raises(StageUnavailable):
            await call("batch", 0.0)
    assert call.is_open


def test_a_stage_that_hangs_is_asked_three_times_then_probed_until_it_answers() -> None:
    async def main() -> None:
        stage = Deployment(work=_nothing, artefact=_nothing)
        call = _call(stage)
        stage.hang()
        await _open(call)
        assert (stage.calls, stage.cancelled) == (["work"] * 3, 3)
        for _ in range(100):
            with pytest.raises(StageUnavailable):
                await call("batch", _SOON)
            await asyncio.sleep(0)
        assert stage.calls == ["work"] * 3 + ["artefact"]  # one probe, which waits
        stage.recover()
        while call.is_open:
            await asyncio.sleep(0)
        assert await call("batch", _SOON) == {"version": "of a test"}

    asyncio.run(main())


def test_an_error_of_a_stage_is_its_callers_and_no_reason_to_leave_it_alone() -> None:
    async def main() -> None:
        stage = Deployment(work=_nothing, artefact=_nothing)
        call = _call(stage)
        stage.error = ValueError("of the stage")
        for _ in range(10):
            with pytest.raises(ValueError, match="of the stage"):
                await call("batch", _SOON)
        assert not call.is_open

    asyncio.run(main())


def test_a_call_that_serve_cancels_is_an_answer_that_does_not_come_and_one_of_ours_ends_us() -> None:
    async def main() -> None:
        async def cancelled(*_: Any) -> Any:
            raise asyncio.CancelledError

        call = _call(Deployment(work=cancelled, artefact=_nothing))
        with pytest.raises(StageUnavailable):
            await call("batch", _SOON)
        hanging = Deployment(work=_nothing, artefact=_nothing)
        hanging.hang()
        task = asyncio.ensure_future(_call(hanging)("batch", _SOON))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


class Remote(RemoteStages):
    """The stages of a Router in process, behind handles."""

    def __init__(self) -> None:
        here = test_router_load.Stages()
        self.here, self.listings = here, here.listings

        async def score(rows: Any) -> Any:
            return await here.score(rows, _SOON)

        async def decide(auction: Any) -> Any:
            return await here.decide(auction, _SOON)

        self.ctr = Deployment(score=score, artefact=_nothing, readiness=_ready)
        self.bidder = Deployment(decide=decide, artefact=_nothing, readiness=_ready)
        handles: Any = (self.ctr, self.bidder)
        super().__init__(*handles)


async def _ready() -> ReplicaReadiness:
    return ReplicaReadiness([])


class Door(test_router_load.Door):
    """A Router whose stages are in other processes."""

    def __init__(self) -> None:
        super().__init__(Remote())
        self.remote: Any = self.stages

    async def bid(self, tmax: int = 2_000) -> dict[str, Any]:
        status, body = await self.send("/openrtb2/bid", to_json(make_request(tmax=tmax)))
        return json.loads(body) if status == 200 else {}

    def records(self) -> list[BatchRecord]:
        """Take what is recorded to explain bids by."""
        return self.parts.replica.decisions._recorder.take() or []


def run(body: Callable[[Door], Awaitable[None]]) -> None:
    async def main() -> None:
        door = Door()
        await door.remote.here.fund()
        await body(door)
        await door.parts.stores.client.aclose()

    asyncio.run(main())


@pytest.fixture
def environment(valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("RAYBID_REQUIRE_EXCHANGE_KEY", "false")
    monkeypatch.setenv("RAYBID_REDIS_URL", f"redis://127.0.0.1:{valkey.port}/0")


@pytest.mark.usefixtures("environment")
def test_without_a_model_the_prior_prices_and_says_so_and_then_the_model_again() -> None:
    async def body(door: Door) -> None:
        assert await door.bid()
        door.remote.ctr.hang()
        for _ in range(4):  # three that wait for the model, one that does not
            began = time.monotonic()
            assert await door.bid()
            assert time.monotonic() - began < 1.5
        assert door.remote.ctr.calls.count("score") == 4
        assert door.parts.stores.tally._pending["prior_requests"] == 4
        records = door.records()
        assert [record.ctr for record in records] == ["of a test", *[UNTRAINED] * 4]
        (bid,) = records[-1].requests[0].bids
        assert (bid.click, bid.conversion) == pytest.approx(PRIOR)
        door.remote.ctr.recover()
        while await door.bid() and door.records()[-1].ctr == UNTRAINED:
            await asyncio.sleep(0.01)

    run(body)


@pytest.mark.usefixtures("environment")
def test_a_model_that_fails_is_replaced_by_the_prior_too() -> None:
    async def body(door: Door) -> None:
        door.remote.ctr.error = ConnectionError("the replica died")
        assert await door.bid()
        assert door.parts.stores.tally._pending["prior_requests"] == 1

    run(body)


@pytest.mark.usefixtures("environment")
def test_without_a_bidder_there_is_no_bid_at_once_and_no_money_is_held() -> None:
    async def body(door: Door) -> None:
        door.remote.bidder.hang()
        for _ in range(3):
            began = time.monotonic()
            assert await door.bid(tmax=10_000) == {}
            assert time.monotonic() - began < 2.0  # far from its time
        assert door.remote.bidder.cancelled == 3  # given up, not left to reserve money for nobody
        waited = len(door.remote.bidder.calls)
        for _ in range(20):
            assert await door.bid(tmax=10_000) == {}
        assert door.remote.bidder.calls[waited:].count("decide") == 0
        assert door.reasons() == {"no_bid.no_bidder": 23}
        door.remote.bidder.recover()
        while not await door.bid():
            await asyncio.sleep(0.01)

    run(body)


@pytest.mark.usefixtures("environment")
def test_a_request_in_a_hurry_does_not_cost_its_batch_the_model() -> None:
    async def body(door: Door) -> None:
        door.remote.here.seconds = 0.15
        hurried, patient = await asyncio.gather(door.bid(tmax=50), door.bid(tmax=5_000))
        assert not hurried
        assert patient
        assert not door.parts.stores.tally._pending["prior_requests"]

    run(body)


@pytest.mark.usefixtures("environment")
def test_slots_without_a_bidder_are_told_so() -> None:
    async def body(door: Door) -> None:
        door.remote.bidder.hang()
        parts = door.parts
        stores, trading = parts.stores, parts.trading
        slots = SlotParts(stores.settings, trading.exchanges, trading.edge, parts.replica.runner, stores.tally)
        found = await answers(slots, [FlatRequest(w=300, h=250)] * 2)
        assert [one.reason for one in found] == ["no_bidder"] * 2

    run(body)


def test_readiness_is_asked_of_all_replicas_and_of_one_where_another_is_silent() -> None:
    async def main() -> None:
        stages = Remote()
        stages.bidder.lacks = ["pacing"]
        found = await stages.readiness()
        assert (found["CTRModel"].state, found["CTRModel"].replicas, found["CTRModel"].lacks) == ("ok", 2, [])
        assert (found["RLBidder"].state, found["RLBidder"].lacks) == ("partial", ["pacing"])
        stages.ctr.hang()
        found = await stages.readiness()
        assert (found["CTRModel"].state, found["CTRModel"].replicas) == ("unavailable", 0)

    asyncio.run(main())
