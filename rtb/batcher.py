"""Micro-batches at the edge: whatever queued while the last batch was in flight goes together, without a linger."""

from __future__ import annotations

import asyncio
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
    """

    def __init__(
        self,
        process: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        max_batch: int,
        in_flight: int,
        *,
        away: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> None:
        self._process = process
        self._max_batch = max_batch
        self._free = in_flight
        self._away = away
        self._queue: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """The result for one item. Cancelling it leaves the rest of its batch alone."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
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
                size = min(len(self._queue), self._max_batch)
                batch = [self._queue.popleft() for _ in range(size)]
                # Those who gave up while they waited need no answer.
                batch = [(item, future) for item, future in batch if not future.done()]
                await self._answer(batch)
        finally:
            self._free += 1

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = await self._process([item for item, _ in batch])
            answered = list(zip(batch, results, strict=True))
        except Exception as error:
            if isinstance(error, self._away):
                batch += self._queue
                self._queue.clear()
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in answered:
            if not future.done():
                future.set_result(result)
