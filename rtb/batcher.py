"""Micro-batches at the edge: whatever queued while the last batch was in flight goes together, without a linger."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class MicroBatcher(Generic[Item, Result]):
    """Gathers single calls into batches.

    At low load a call goes out at once and alone; at high load batches grow by themselves, since more arrive while
    one is in flight.

    Args:
        process: answers a batch, one result an item, in order.
        max_batch: items in one batch.
        in_flight: batches on their way at once: 1 when the work is done here, more when it is awaited elsewhere.
        away: an error that says that nobody answers: it is the answer to all that queued by then, too.
        clock: monotonic seconds, what deadlines are told in.
    """

    def __init__(
        self,
        process: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        max_batch: int,
        in_flight: int,
        *,
        away: type[Exception] | tuple[type[Exception], ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process = process
        self._max_batch = max_batch
        self._free = in_flight
        self._away = away
        self._clock = clock
        self._queue: deque[tuple[Item, asyncio.Future[Result], float]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Items that no batch has taken yet."""
        return len(self._queue)

    @property
    def is_busy(self) -> bool:
        """Whether as many batches are on their way as may be: one more item would have to wait."""
        return not self._free

    async def submit(self, item: Item, deadline: float = math.inf) -> Result:
        """The result for one item. Cancelling it leaves the rest of its batch alone.

        Args:
            item: what is processed.
            deadline: when its result is of no use any more: from then on no batch takes it up.

        Raises:
            TimeoutError: no batch came to it before its deadline.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future, deadline))
        self._start()
        return await future

    def _start(self) -> None:
        if self._free and self._queue:
            self._free -= 1
            task = asyncio.ensure_future(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        """Send batches until the queue is empty."""
        try:
            while self._queue:
                await self._answer(self._next_batch())
                await asyncio.sleep(0)  # these answers go out before the next batch keeps the event loop busy
        finally:
            self._free += 1

    def _next_batch(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """What is first in the queue, but for those that gave up or whose time is over."""
        now = self._clock()
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._queue and len(batch) < self._max_batch:
            item, future, deadline = self._queue.popleft()
            if future.done():
                continue
            if deadline <= now:
                future.set_exception(TimeoutError("its deadline passed before its turn came"))
                continue
            batch.append((item, future))
        return batch

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = await self._process([item for item, _ in batch])
            answered = list(zip(batch, results, strict=True))
        except Exception as error:
            if isinstance(error, self._away):
                batch += [(item, future) for item, future, _ in self._queue]
                self._queue.clear()
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in answered:
            if not future.done():
                future.set_result(result)
