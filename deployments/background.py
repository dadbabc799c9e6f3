"""Periodic work of a replica."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from deployments.wiring import logger


class Work(NamedTuple):
    """A periodic action.

    Attributes:
        name: its name in the log.
        seconds: pause between two calls.
        action: the call.
        expected: errors that come and go.
        rest: pause at least so many times as long as the call took: for work that shares a processor with bidding.
    """

    name: str
    seconds: float
    action: Callable[[], Awaitable[object]]
    expected: type[Exception] | tuple[type[Exception], ...]
    rest: float = 0.0


class Background:
    """The periodic work of one replica."""

    def __init__(self, *works: Work) -> None:
        self._works = works
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_running(self) -> bool:
        """Whether the work was started."""
        return bool(self._tasks)

    def start(self) -> bool:
        """Start the work on the running event loop unless it was started; return whether this call did."""
        if self._tasks:
            return False
        self._tasks = [asyncio.ensure_future(repeat(work)) for work in self._works]
        return True

    def cancel(self) -> None:
        """Cancel the work."""
        for task in self._tasks:
            task.cancel()


async def repeat(work: Work) -> None:
    """Run an action for ever. Log an expected error once when it begins and once when it ends."""
    failing = False
    while True:
        began, pause = time.monotonic(), work.seconds
        try:
            await work.action()
            pause = max(work.seconds, work.rest * (time.monotonic() - began))
            if failing:
                logger.info(f"{work.name}: works again")
            failing = False
        except work.expected as error:
            if not failing:
                logger.warning(f"{work.name}: {error}; trying again every {work.seconds} s")
            failing = True
        except Exception:
            logger.exception(f"{work.name}: failed; trying again every {work.seconds} s")
        await asyncio.sleep(pause)
