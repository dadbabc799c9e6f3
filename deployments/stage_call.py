"""Calls of a stage in another process: each with a deadline, and none while the stage does not answer."""

from __future__ import annotations

import asyncio
from typing import Any

from deployments.wiring import logger
from rtb.runtime.breaker import Breaker


class StageUnavailable(Exception):
    """A stage that gave no answer in time; the message names it."""


class StageCall:
    """One method of a stage, called once a batch.

    Args:
        name: of the stage, for the log.
        method: handle of the method.
        probe: handle of a cheap method of the same stage.
        pause: seconds between two probes.
    """

    def __init__(self, name: str, method: Any, probe: Any, pause: float = 0.25) -> None:
        self._name = name
        self._method = method
        self._probe = probe
        self._breaker = Breaker(self._ask, pause=pause, on_change=self._tell)

    @property
    def is_open(self) -> bool:
        """Whether calls are refused at once."""
        return self._breaker.is_open

    async def __call__(self, argument: Any, seconds: float) -> Any:
        """Return the stage's answer.

        Args:
            argument: argument of the method.
            seconds: longest wait.

        Raises:
            StageUnavailable: it does not answer in time, or did not lately.
            Exception: its replica failed.
        """
        if self._breaker.is_open:
            raise StageUnavailable(f"{self._name} does not answer")
        try:
            async with asyncio.timeout(seconds):  # cancels the call, at the replica as well
                answer = await self._answer(argument)
        except TimeoutError:
            self._breaker.failed()
            raise StageUnavailable(f"{self._name} did not answer in {seconds:.3f} s") from None
        self._breaker.answered()
        return answer

    async def _answer(self, argument: Any) -> Any:
        try:
            return await self._method.remote(argument)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise StageUnavailable(f"{self._name}'s call was cancelled") from None  # its replica stops, or was cut off

    async def _ask(self) -> None:
        await self._probe.remote()

    def _tell(self, is_open: bool) -> None:
        if is_open:
            logger.warning(f"{self._name} does not answer: batches go on without it until it does")
        else:
            logger.info(f"{self._name} answers again")
