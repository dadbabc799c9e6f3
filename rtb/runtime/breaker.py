"""A circuit breaker: a part that stopped answering gets no more calls, until a probe finds that it answers again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Breaker:
    """A circuit breaker around one part, for one event loop.

    Closed, it counts calls in a row that got no answer; so many open it. Open, it sends probes in the background, one
    at a time, until one is answered. Calls are never probes, so that finding out costs no request its time.

    Args:
        probe: asks the part for anything; raises where it gets no answer.
        failures: calls in a row without an answer that open it.
        pause: seconds before each probe.
        patience: most seconds of one probe.
        on_change: called with each change of `is_open`.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[object]],
        *,
        failures: int = 3,
        pause: float = 0.25,
        patience: float = 1.0,
        on_change: Callable[[bool], None] = lambda is_open: None,
    ) -> None:
        self._probe = probe
        self._most = failures
        self._pause = pause
        self._patience = patience
        self._on_change = on_change
        self._failed = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the part gets no calls."""
        return self._probing is not None

    def answered(self) -> None:
        """Note an answer, late ones too: the part is there."""
        self._failed = 0
        if self._probing is not None:
            self.stop()
            self._on_change(False)

    def failed(self) -> None:
        """Note a call that got no answer in time."""
        if self._probing is not None:
            return
        self._failed += 1
        if self._failed >= self._most:
            self._probing = asyncio.ensure_future(self._until_answered())
            self._on_change(True)

    def stop(self) -> None:
        """Close without a word, and send no more probes: for a part that is gone."""
        probing, self._probing, self._failed = self._probing, None, 0
        if probing is not None and probing is not asyncio.current_task():
            probing.cancel()

    async def _until_answered(self) -> None:
        while self.is_open:
            await asyncio.sleep(self._pause)
            try:
                async with asyncio.timeout(self._patience):
                    await self._probe()
            except Exception:  # whatever says that there is no answer: the next probe asks again
                continue
            self.answered()
