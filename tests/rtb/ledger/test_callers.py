"""Any order of bids, payments and time: no caller that never pays holds more than its share, and none is forgotten."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rtb.ledger import Closing, Grant, Ledger, MemoryLedger, ValkeyLedger
from rtb.settlement.notice_tokens import Kind
from tests.conftest import Valkey
from tests.rtb.ledger.support import NOW, assert_adds_up, bid

SHARE = 0.3
CALLERS = (0, 5, 4_000_000_000)
NEVER_PAYS = CALLERS[1]

leases = st.tuples(st.just("lease"), st.sampled_from(CALLERS), st.integers(1, 400), st.integers(1, 60))
others = st.tuples(
    st.sampled_from(["close", "settle", "release"]), st.integers(0, 20), st.integers(1, 100), st.booleans()
)
times = st.tuples(st.just("reclaim"), st.integers(0, 60))
steps = st.lists(st.one_of(leases, leases, others, others, others, times), max_size=40)


class Story:
    """What happens, told to one ledger; the bids are numbered through, as are the leases."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._callers: list[int] = []
        self._now = NOW
        self._sequence = 0

    async def tell(self, step: Any) -> Any:
        match step:
            case ("lease", caller, most, least):
                self._callers.append(caller)
                ends = self._now + 30.0
                row = Grant(len(self._callers), 1, least, 1.0, ends, most, least, caller=caller, caller_share=SHARE)
                return await self._ledger.lease([row])
            case ("reclaim", seconds):
                self._now += seconds
                return await self._ledger.reclaim(self._now)
            case (_, lease, _, _) if not 0 < lease <= len(self._callers):
                return None
            case ("close", lease, reserved, _):
                return await self._ledger.close([Closing(lease, reserved)])
            case (kind, lease, ceiling, _):
                self._sequence += 1
                ref = bid(self._sequence, ceiling, lease)
                if kind == "release" or self._callers[lease - 1] == NEVER_PAYS:
                    return await self._ledger.release(ref, self._now)
                return await self._ledger.settle(ref, Kind.BILL, ceiling // 2, self._now)


@given(steps=steps)
def test_both_ledgers_agree_and_what_a_caller_holds_is_bounded(valkey_server: Valkey, steps: list[Any]) -> None:
    async def main() -> None:
        valkey_server.flush()
        memory = MemoryLedger()
        async with valkey_server.client() as client:
            server = ValkeyLedger(client)
            stories = Story(memory), Story(server)
            for ledger in (memory, server):
                await ledger.open(1, 1_000)
            for step in steps:
                answers = [await story.tell(step) for story in stories]
                assert answers[0] == answers[1], step
                (known,), (told,) = await memory.balances([1]), await server.balances([1])
                assert known == told
                assert_adds_up(told)
                held = int(await client.hget("raybid:campaign:1", f"held:{NEVER_PAYS}") or 0)
                assert held == sum(
                    one.leased + one.reserved for one in memory._leases.values() if one.caller == NEVER_PAYS
                )
                if step[0] == "lease" and step[1] == NEVER_PAYS and answers[0][0] > step[3]:
                    assert held <= math.ceil(SHARE * (told.budget - told.spent))
            await server.reclaim(math.inf)
            fields: list[Any] = await client.hkeys("raybid:campaign:1")
            assert not [name for name in fields if name.startswith(b"held:")]

    asyncio.run(main())
