"""Micro-batches: who goes with whom, and who gets what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.runtime.micro_batcher import MicroBatcher


class Stage:
    """Answers with ten times each item when it is let go on, and remembers what it was asked."""

    def __init__(self, *, max_batch: int = 100, in_flight: int = 1, unavailable: Any = ()) -> None:
        self.batches: list[list[int]] = []
        self.gates: list[asyncio.Future[Any]] = []
        self.batcher: MicroBatcher[int, int] = MicroBatcher(self.process, max_batch, in_flight, unavailable=unavailable)

    async def process(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        answer: list[int] | None = await gate
        return [item * 10 for item in items] if answer is None else answer

    def submit(self, *items: int) -> list[asyncio.Task[int]]:
        return [asyncio.ensure_future(self.batcher.submit(item)) for item in items]

    def finish(self, batch: int, answer: list[int] | None = None) -> None:
        self.gates[batch].set_result(answer)


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_single_call_goes_alone_at_once():
    stage = Stage()
    calls = stage.submit(1)
    await settle()
    assert stage.batches == [[1]]
    stage.finish(0)
    assert await calls[0] == 10


async def test_calls_that_queued_while_a_batch_was_in_flight_go_together_in_order():
    stage = Stage()
    calls = stage.submit(1)
    await settle()
    for item in (4, 2, 3):
        calls += stage.submit(item)
        await settle()
    assert stage.batches == [[1]]
    stage.finish(0)
    await settle()
    assert stage.batches == [[1], [4, 2, 3]]
    stage.finish(1)
    assert await asyncio.gather(*calls) == [10, 40, 20, 30]


async def test_a_batch_is_never_larger_than_allowed():
    stage = Stage(max_batch=3)
    calls = stage.submit(*range(8))
    for batch in range(3):
        await settle()
        stage.finish(batch)
    assert await asyncio.gather(*calls) == [item * 10 for item in range(8)]
    assert stage.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]


@pytest.mark.parametrize("in_flight", [1, 2, 3])
async def test_no_more_batches_are_on_their_way_than_allowed(in_flight: int):
    stage = Stage(in_flight=in_flight)
    calls = []
    for item in range(5):
        calls += stage.submit(item)
        await settle()
    assert stage.batches == [[item] for item in range(in_flight)]
    stage.finish(0)
    await settle()
    assert stage.batches[in_flight:] == [list(range(in_flight, 5))]
    for batch in range(1, in_flight + 1):
        stage.finish(batch)
    assert await asyncio.gather(*calls) == [0, 10, 20, 30, 40]


async def test_batches_may_be_answered_out_of_order():
    stage = Stage(in_flight=2)
    calls = []
    for item in (1, 2):
        calls += stage.submit(item)
        await settle()
    stage.finish(1)
    assert await calls[1] == 20
    assert not calls[0].done()
    stage.finish(0)
    assert await calls[0] == 10


async def test_a_call_after_a_pause_goes_at_once_again():
    stage = Stage()
    for batch in range(3):
        calls = stage.submit(batch)
        await settle()
        stage.finish(batch)
        assert await calls[0] == batch * 10
    assert stage.batches == [[0], [1], [2]]


async def test_an_error_reaches_every_call_of_its_batch_and_no_other():
    stage = Stage(max_batch=2)
    calls = stage.submit(1, 2, 3, 4)
    await settle()
    stage.gates[0].set_exception(OSError("broken"))
    await settle()
    stage.finish(1)
    first = await asyncio.gather(*calls[:2], return_exceptions=True)
    assert [str(error) for error in first] == ["broken", "broken"]
    assert await asyncio.gather(*calls[2:]) == [30, 40]


async def test_when_nobody_answers_those_who_wait_do_not_wait_as_long_again():
    stage = Stage(max_batch=2, in_flight=2, unavailable=OSError)
    calls = stage.submit(*range(7))
    await settle()
    calls[5].cancel()
    await settle()
    stage.gates[0].set_exception(OSError("unavailable"))
    await settle()
    assert stage.batches == [[0, 1], [2, 3]]
    errors = await asyncio.gather(*calls[:2], *calls[4:5], *calls[6:], return_exceptions=True)
    assert [str(error) for error in errors] == ["unavailable"] * 4
    stage.finish(1)  # it was on its way already, and is answered
    assert await asyncio.gather(*calls[2:4]) == [20, 30]
    calls = stage.submit(8)
    await settle()
    stage.finish(2)
    assert await calls[0] == 80


async def test_a_call_that_comes_after_nobody_answered_is_tried():
    stage = Stage(unavailable=OSError)
    calls = stage.submit(1)
    await settle()
    stage.gates[0].set_exception(OSError("unavailable"))
    calls += stage.submit(2)  # before anybody was told
    await settle()
    stage.finish(1)
    with pytest.raises(OSError, match="unavailable"):
        await calls[0]
    assert await calls[1] == 20


def test_an_event_loop_that_ends_in_the_midst_of_batches_leaves_a_batcher_that_works_in_the_next():
    stage = Stage(max_batch=1)

    async def leave() -> None:
        stage.submit(1, 2)
        await settle()
        assert stage.batches == [[1]]

    async def come() -> int:
        calls = stage.submit(3)
        await settle()
        stage.finish(1)
        return await calls[0]

    asyncio.run(leave())
    assert asyncio.run(come()) == 30
    assert stage.batches == [[1], [3]]


@pytest.mark.parametrize("answer", [[], [10], [10, 20, 30]], ids=["none", "too few", "too many"])
async def test_a_wrong_number_of_results_is_an_error_for_every_call_of_the_batch(answer: list[int]):
    stage = Stage()
    calls = stage.submit(1, 2)
    await settle()
    stage.finish(0, answer)
    async with asyncio.timeout(10):
        errors = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(error, ValueError) for error in errors)
    calls = stage.submit(5)
    await settle()
    stage.finish(1)
    assert await calls[0] == 50


async def test_a_call_cancelled_in_flight_leaves_its_batch_alone():
    stage = Stage()
    calls = stage.submit(1, 2, 3)
    await settle()
    calls[1].cancel()
    await settle()
    stage.finish(0)
    assert await calls[0] == 10
    assert await calls[2] == 30
    assert calls[1].cancelled()


async def test_a_call_cancelled_in_the_queue_is_not_sent():
    stage = Stage()
    calls = stage.submit(1)
    await settle()
    calls += stage.submit(2, 3)
    await settle()
    calls[1].cancel()
    await settle()
    stage.finish(0)
    await settle()
    assert stage.batches == [[1], [3]]
    stage.finish(1)
    assert await calls[2] == 30


async def test_a_queue_of_cancelled_calls_sends_nothing():
    stage = Stage()
    calls = stage.submit(1)
    await settle()
    given_up = stage.submit(2, 3)
    await settle()
    for call in given_up:
        call.cancel()
    await settle()
    stage.finish(0)
    await settle()
    assert stage.batches == [[1]]
    calls = stage.submit(4)
    await settle()
    stage.finish(1)
    assert await calls[0] == 40


async def test_a_call_cancelled_before_an_error_hides_it_from_nobody():
    stage = Stage()
    calls = stage.submit(1, 2)
    await settle()
    calls[0].cancel()
    await settle()
    stage.gates[0].set_exception(OSError("broken"))
    with pytest.raises(OSError, match="broken"):
        await calls[1]


@given(
    pauses=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    work=st.integers(0, 4),
    max_batch=st.integers(1, 9),
    in_flight=st.integers(1, 3),
)
def test_every_call_gets_its_own_result_once_within_the_limits(
    pauses: list[int], work: int, max_batch: int, in_flight: int
):
    running, most = 0, 0
    sent: list[int] = []

    async def process(items: Sequence[int]) -> list[str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        assert 1 <= len(items) <= max_batch
        sent.extend(items)
        for _ in range(work):
            await asyncio.sleep(0)
        running -= 1
        return [f"answer {item}" for item in items]

    async def main() -> list[str]:
        batcher: MicroBatcher[int, str] = MicroBatcher(process, max_batch, in_flight)
        calls = []
        for item, pause in enumerate(pauses):
            calls.append(asyncio.ensure_future(batcher.submit(item)))
            for _ in range(pause):
                await asyncio.sleep(0)
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [f"answer {item}" for item in range(len(pauses))]
    assert sent == list(range(len(pauses)))
    assert most <= in_flight


async def test_what_is_late_when_its_turn_comes_is_not_begun():
    now = 10.0
    stage = Stage()
    stage.batcher = MicroBatcher(stage.process, 2, 1, clock=lambda: now)
    calls = [asyncio.ensure_future(stage.batcher.submit(item, deadline)) for item, deadline in enumerate([11.0] * 5)]
    calls.append(asyncio.ensure_future(stage.batcher.submit(5, 13.0)))
    calls.append(asyncio.ensure_future(stage.batcher.submit(6)))
    await settle()
    assert (stage.batches, stage.batcher.waiting, stage.batcher.is_busy) == ([[0, 1]], 5, True)
    now = 12.0
    stage.finish(0)
    await settle()
    assert stage.batches == [[0, 1], [5, 6]]
    stage.finish(1)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results[2:5]] == [TimeoutError] * 3
    assert [*results[:2], *results[5:]] == [0, 10, 50, 60]
    assert (stage.batcher.waiting, stage.batcher.is_busy) == (0, False)


async def test_what_comes_in_one_call_stays_together_and_others_fill_the_room_it_leaves():
    stage = Stage(max_batch=4)
    first = stage.submit(0)
    await settle()
    groups = [asyncio.ensure_future(stage.batcher.submit_all(items)) for items in ([1, 2, 3, 4, 5, 6], [7, 8, 9])]
    singles = stage.submit(10, 11)
    await settle()
    assert stage.batcher.waiting == 11
    for batch in range(4):
        stage.finish(batch)
        await settle()
    assert stage.batches == [[0], [1, 2, 3, 4, 5, 6], [7, 8, 9, 10], [11]]
    assert await asyncio.gather(*groups) == [[10, 20, 30, 40, 50, 60], [70, 80, 90]]
    assert await asyncio.gather(*first, *singles) == [0, 100, 110]
    assert stage.batcher.waiting == 0
