"""Micro-batching without a linger: what queued while the last batch was in flight forms the next one."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_TIMER_SLACK_SECONDS = 0.001
_MOST_TURNS = 8


class _Call(NamedTuple, Generic[Item, Result]):
    """Items submitted together, answered together."""

    items: Sequence[Item]
    future: asyncio.Future[Sequence[Result]]
    deadline: float


class MicroBatcher(Generic[Item, Result]):
    """A batcher of concurrent calls.

    At low load a call goes out at once and alone; at high load batches grow by themselves, since more calls arrive
    while one is in flight. One timer serves the deadlines of all calls: a timer each costs more than batching saves.

    Args:
        process: function of a batch, which returns one result per item, in order.
        max_batch: most items in one batch of several calls; the items of one call stay together, however many.
        in_flight: batches in flight at once: 1 when the work is done here, more when it is awaited elsewhere.
        unavailable: errors that mean that the server is unavailable: they fail all queued calls as well.
        clock: monotonic seconds, the clock of deadlines.
    """

    def __init__(
        self,
        process: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        max_batch: int,
        in_flight: int,
        *,
        unavailable: type[Exception] | tuple[type[Exception], ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process = process
        self._max_batch = max_batch
        self._free = in_flight
        self._unavailable = unavailable
        self._clock = clock
        self._queue: deque[_Call[Item, Result]] = deque()
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: list[list[_Call[Item, Result]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf  # when the timer fires

    @property
    def waiting(self) -> int:
        """Number of queued items."""
        return self._waiting

    @property
    def is_busy(self) -> bool:
        """Whether the limit of batches in flight is reached, so that one more item would wait."""
        return not self._free

    async def submit(self, item: Item, deadline: float = math.inf) -> Result:
        """Return the result for one item. Cancelling it leaves the rest of its batch alone.

        Args:
            item: item to process.
            deadline: when its result is of no use any more; a later batch skips it.

        Raises:
            TimeoutError: the deadline passed before the result came.
        """
        (result,) = await self._queued((item,), deadline)
        return result

    async def submit_all(self, items: Sequence[Item], deadline: float = math.inf) -> Sequence[Result]:
        """Return the results for items of one batch, in order. Cancelling it leaves the rest of the batch alone.

        Args:
            items: items to process, at least one.
            deadline: when their results are of no use any more; a later batch skips them.

        Raises:
            TimeoutError: the deadline passed before the results came.
        """
        return await self._queued(items, deadline)

    def _queued(self, items: Sequence[Item], deadline: float) -> asyncio.Future[Sequence[Result]]:
        future: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._queue.append(_Call(items, future, deadline))
        self._waiting += len(items)
        if deadline < self._due:
            self._ring_at(deadline)
        if self._free:
            self._start()
        return future

    def _start(self) -> None:
        self._free -= 1
        task = asyncio.ensure_future(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        """Send batches until the queue is empty."""
        try:
            while self._queue:
                await self._answer(self._next_batch())
                await self._breathe()
        finally:
            self._free += 1

    async def _breathe(self) -> None:
        """Let responses go out and new calls come in before the next batch keeps the event loop busy.

        An event loop accepts one new connection a turn, so it needs turns without a batch; and a batch costs less per
        item the larger it is.
        """
        await asyncio.sleep(0)
        for _ in range(_MOST_TURNS):
            waiting = self._waiting
            await asyncio.sleep(0)
            if self._waiting == waiting:
                return

    def _next_batch(self) -> list[_Call[Item, Result]]:
        """Return the next calls of the queue, without those cancelled or past their deadline."""
        now = self._clock()
        batch: list[_Call[Item, Result]] = []
        room = self._max_batch
        while self._queue and (not batch or len(self._queue[0].items) <= room):
            call = self._take()
            if not _is_over(call, now):
                batch.append(call)
                room -= len(call.items)
        return batch

    def _take(self) -> _Call[Item, Result]:
        call = self._queue.popleft()
        self._waiting -= len(call.items)
        return call

    async def _answer(self, batch: list[_Call[Item, Result]]) -> None:
        if not batch:
            return
        self._under_way.append(batch)
        try:
            items = [item for call in batch for item in call.items]
            results = await self._process(items)
            if len(results) != len(items):
                raise ValueError(f"{len(items)} items got {len(results)} results")
        except Exception as error:
            self._fail(batch, error)
            return
        finally:
            self._under_way.remove(batch)
        start = 0
        for call in batch:
            end = start + len(call.items)
            if not call.future.done():
                call.future.set_result(results[start:end])
            start = end

    def _fail(self, batch: list[_Call[Item, Result]], error: Exception) -> None:
        """Fail the calls of a batch, and the queued ones too where the server is unavailable."""
        failed = list(batch)
        if isinstance(error, self._unavailable):
            while self._queue:
                failed.append(self._take())
        for call in failed:
            if not call.future.done():
                call.future.set_exception(error)

    def _ring_at(self, deadline: float) -> None:
        """Set the timer to this deadline."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = deadline
        seconds = max(0.0, deadline - self._clock()) + _TIMER_SLACK_SECONDS  # timers may fire a little early
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        """Fail calls whose deadline has passed, and set the timer to the next deadline."""
        now = self._clock()
        self._timer, self._due = None, math.inf
        waiting = (call for calls in (*self._under_way, self._queue) for call in calls)
        left = [call.deadline for call in waiting if not _is_over(call, now)]
        if left and (first := min(left)) < math.inf:
            self._ring_at(first)


def _is_over(call: _Call[Item, Result], now: float) -> bool:
    """Return whether nobody waits for a call any more; fail it where its deadline has passed."""
    if call.future.done():
        return True
    if call.deadline > now:
        return False
    call.future.set_exception(TimeoutError("its deadline passed before its answer came"))
    return True
