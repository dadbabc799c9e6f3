"""What slots of one call get from a Router replica without Serve: together as apart, shed and timed out together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from deployments.api.slots import _AT_ONCE, SlotParts, answers
from rtb.simple_api import FlatAnswer, FlatRequest
from tests.conftest import Valkey
from tests.deployments.test_router_load import Door

_SLOTS = [
    FlatRequest(id="plain", w=300, h=250),
    FlatRequest(id="first", w=300, h=250, first_price=True, floor=0.5),
    FlatRequest(id="small", w=1, h=1),
    FlatRequest(id="dear", w=300, h=250, floor=1e6),
    FlatRequest(id="blocked", w=300, h=250, block_advertisers=("shop.example",)),
    FlatRequest(id="sound", format="audio"),
    FlatRequest(id="test", sizes=((300, 250),), app="com.game.example", test=True),
]


@pytest.fixture
def environment(environment: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYBID_MAX_QUEUE", "600")


class SlotDoor(Door):
    def __init__(self) -> None:
        super().__init__()
        stores, trading = self.parts.stores, self.parts.trading
        runner = self.parts.replica.runner
        self.slots = SlotParts(stores.settings, trading.exchanges, trading.edge, runner, stores.tally)


async def _door() -> SlotDoor:
    door = SlotDoor()
    await door.stages.fund()
    return door


def _kept(answer: FlatAnswer) -> tuple[object, ...]:
    """Remove what identifies the single bid."""
    return (answer.id, answer.bid, answer.reason, answer.price, answer.campaign, answer.creative, answer.w, answer.h)


@pytest.mark.usefixtures("environment")
async def test_slots_get_together_what_each_gets_alone() -> None:
    door = await _door()
    together = await answers(door.slots, _SLOTS)
    alone = [(await answers(door.slots, [slot]))[0] for slot in _SLOTS]
    assert [_kept(one) for one in together] == [_kept(one) for one in alone]
    assert [one.reason for one in together] == ["", "", "no_creative", "below_floor", "blocked", "no_creative", ""]
    tokens = [one.token for one in (*together, *alone) if one.bid]
    assert len(set(tokens)) == len(tokens) == 6


@pytest.mark.usefixtures("environment")
async def test_slots_come_in_the_time_of_the_one_that_allows_least_or_say_that_they_do_not() -> None:
    door = await _door()
    door.stages.seconds = 2.0
    started = time.monotonic()
    found = await answers(door.slots, [FlatRequest(w=300, h=250, tmax_ms=tmax) for tmax in (60_000, 100, 0)])
    assert time.monotonic() - started < 2.0
    assert [one.reason for one in found] == ["timeout"] * 3
    assert door.reasons() == {"no_bid.timeout": 3}


@pytest.mark.usefixtures("environment")
async def test_what_the_queue_has_no_room_for_is_shed_some_slots_at_a_time() -> None:
    door = await _door()
    door.stages.seconds = 0.2
    slots = [FlatRequest(w=300, h=250, tmax_ms=60_000, test=True)] * _AT_ONCE
    found: Sequence[list[FlatAnswer]] = await asyncio.gather(*(answers(door.slots, slots) for _ in range(60)))
    reasons = [{one.reason for one in answered} for answered in found]
    assert all(one in ({""}, {"shed_queue"}) for one in reasons)
    shed = reasons.count({"shed_queue"})
    assert 0 < shed < 60 - 600 // _AT_ONCE + 1  # one goes on its way, 600 may wait
    assert door.reasons() == {"no_bid.shed_queue": _AT_ONCE * shed}


@pytest.mark.usefixtures("environment")
async def test_a_stage_that_fails_is_no_bid_for_each() -> None:
    door = await _door()
    door.stages.bidder = None
    found = await answers(door.slots, _SLOTS[:3])
    assert [one.reason for one in found] == ["stage_failed"] * 3
