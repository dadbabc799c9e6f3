"""The breaker: when it opens, that it asks once at a time, and how it closes."""

from __future__ import annotations

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rtb.runtime.breaker import Breaker

_FAILURES = 3


class Part:
    """A part that answers a probe when it is told to, and remembers what its breaker said."""

    def __init__(self, *, patience: float = 60.0) -> None:
        self.probes: list[asyncio.Future[None]] = []
        self.said: list[bool] = []
        self.breaker = Breaker(
            self._probe, failures=_FAILURES, pause=0.0, patience=patience, on_change=self.said.append
        )

    async def _probe(self) -> None:
        self.probes.append(asyncio.get_running_loop().create_future())
        await self.probes[-1]

    def fail(self, times: int) -> None:
        for _ in range(times):
            self.breaker.failed()

    @property
    def waiting(self) -> list[asyncio.Future[None]]:
        """Probes without an answer yet."""
        return [probe for probe in self.probes if not probe.done()]


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_probes_go_on_until_one_is_answered():
    async def main() -> None:
        part = Part()
        part.fail(_FAILURES)
        for number in range(1, 4):
            await settle()
            assert (part.breaker.is_open, len(part.probes)) == (True, number)
            part.probes[-1].set_exception(OSError("unavailable"))
        await settle()
        part.probes[-1].set_result(None)
        await settle()
        assert not part.breaker.is_open
        assert (part.said, len(part.probes)) == ([True, False], 4)

    asyncio.run(main())


def test_a_probe_without_an_answer_is_given_up_for_the_next():
    async def main() -> None:
        part = Part(patience=0.0)
        part.fail(_FAILURES)
        while len(part.probes) < 3:
            await asyncio.sleep(0)
        assert all(probe.cancelled() for probe in part.probes[:2])
        part.breaker.stop()

    asyncio.run(main())


def test_a_late_answer_closes_it_and_ends_the_probes():
    async def main() -> None:
        part = Part()
        part.fail(_FAILURES)
        await settle()
        part.breaker.answered()
        await settle()
        assert (part.breaker.is_open, part.said) == (False, [True, False])
        assert part.probes[0].cancelled()

    asyncio.run(main())


def test_a_probe_may_note_its_answer_itself():
    async def main() -> None:
        said: list[bool] = []

        async def probe() -> None:
            breaker.answered()

        breaker = Breaker(probe, failures=1, pause=0.0, on_change=said.append)
        breaker.failed()
        await settle()
        assert (breaker.is_open, said) == (False, [True, False])

    asyncio.run(main())


def test_one_that_is_stopped_says_and_asks_nothing_more():
    async def main() -> None:
        part = Part()
        part.fail(_FAILURES)
        await settle()
        part.breaker.stop()
        await settle()
        assert (part.breaker.is_open, part.said, len(part.probes)) == (False, [True], 1)

    asyncio.run(main())


class BreakerMachine(RuleBasedStateMachine):
    """Calls that fail and are answered, and probes that are, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.part = Part()
        self.failed = 0
        self.is_open = False
        self.changes: list[bool] = []

    def _do(self, *calls: object) -> None:
        async def main() -> None:
            for call in calls:
                assert callable(call)
                call()
            await settle()

        self.loop.run_until_complete(main())

    def _closes(self) -> None:
        self.failed = 0
        if self.is_open:
            self.is_open = False
            self.changes.append(False)

    @rule(times=st.integers(1, 4))
    def fail(self, times: int) -> None:
        self._do(*[self.part.breaker.failed] * times)
        self.failed += times
        if not self.is_open and self.failed >= _FAILURES:
            self.is_open = True
            self.changes.append(True)

    @rule()
    def answer(self) -> None:
        self._do(self.part.breaker.answered)
        self._closes()

    @precondition(lambda self: self.is_open)
    @rule()
    def probe_is_answered(self) -> None:
        self._do(lambda: self.part.waiting[0].set_result(None))
        self._closes()

    @precondition(lambda self: self.is_open)
    @rule()
    def probe_fails(self) -> None:
        before = len(self.part.probes)
        self._do(lambda: self.part.waiting[0].set_exception(TimeoutError()))
        assert len(self.part.probes) == before + 1

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        assert self.part.breaker.is_open is self.is_open
        assert self.part.said == self.changes

    @invariant()
    def one_probe_at_a_time_and_none_while_closed(self) -> None:
        assert len(self.part.waiting) == self.is_open

    def teardown(self) -> None:
        self._do(self.part.breaker.stop)
        self.loop.close()


TestBreakerMachine = BreakerMachine.TestCase
