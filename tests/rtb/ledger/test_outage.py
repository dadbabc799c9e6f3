"""The ledger's server away, hung and killed: errors that say so, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from rtb.ledger import Closing, Grant, Ledger, LedgerError, NoticeOutcome, Usage, ValkeyLedger
from rtb.settlement.notice_tokens import Kind
from tests.conftest import Valkey
from tests.rtb.ledger.support import EXPIRES, NOW, Restartable, assert_adds_up, balance, bid

OPERATIONS: dict[str, Callable[[Ledger], Awaitable[object]]] = {
    "open": lambda ledger: ledger.open(1, 1_000),
    "lease": lambda ledger: ledger.lease([Grant(8, 1, 100, 0.0, EXPIRES)]),
    "close": lambda ledger: ledger.close([Closing(7, 0)]),
    "settle": lambda ledger: ledger.settle(bid(), Kind.BILL, 60, NOW),
    "release": lambda ledger: ledger.release(bid(), NOW),
    "count": lambda ledger: ledger.count(bid(), Kind.CLICK, NOW),
    "report": lambda ledger: ledger.report([Usage(1, 1, 1, 0.5)]),
    "reclaim": lambda ledger: ledger.reclaim(NOW),
    "balances": lambda ledger: ledger.balances([1]),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_every_operation_says_that_the_server_is_away(operation: str, free_port: int):
    async with Valkey(free_port).client() as client:
        with pytest.raises(LedgerError, match="does not answer"):
            await OPERATIONS[operation](ValkeyLedger(client))


async def test_every_operation_says_that_the_server_hangs_and_works_when_it_goes_on(server: Restartable):
    async with server.at.client(timeout=0.1) as client:
        ledger = ValkeyLedger(client)
        await ledger.open(1, 1_000)
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            for operation in OPERATIONS.values():
                with pytest.raises(LedgerError):
                    await operation(ledger)
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
    async with server.at.client() as client:
        assert_adds_up(await balance(ValkeyLedger(client)))


async def test_a_ledger_works_again_with_the_same_figures_after_its_server_was_killed(server: Restartable):
    async with server.at.client() as client:
        ledger = ValkeyLedger(client)
        await ledger.open(1, 1_000)
        await ledger.lease([Grant(7, 1, 300, 0.0, EXPIRES), Grant(8, 1, 100, 0.0, EXPIRES)])
        await ledger.settle(bid(1), Kind.BILL, 60, NOW)
        await ledger.count(bid(1), Kind.CLICK, NOW)
        await ledger.close([Closing(8, 50)])
        await ledger.report([Usage(1, 10, 5, 0.5)])
        before = await balance(ledger)

        server.kill()
        for operation in OPERATIONS.values():
            with pytest.raises(LedgerError):
                await operation(ledger)
        server.start()

        assert await balance(ledger) == before
        assert await ledger.settle(bid(1), Kind.BILL, 60, NOW) is NoticeOutcome.DUPLICATE
        assert await ledger.settle(bid(2), Kind.BILL, 70, NOW) is NoticeOutcome.SETTLED
        assert await ledger.lease([Grant(7, 1, 1, 0.0, EXPIRES)]) == [0]
        assert await ledger.reclaim(EXPIRES) == 150
        assert (await balance(ledger)).available == 1_000 - 60 - 70


async def test_a_server_killed_while_notices_stream_in_loses_none_that_was_acknowledged(server: Restartable):
    """Notices that were not acknowledged are sent again, as exchanges do: in the end each is spent once."""
    price, bids = 7, 2_000

    async def settle(ledger: Ledger, sequence: int) -> NoticeOutcome:
        return await ledger.settle(bid(sequence, ceiling=10), Kind.BILL, price, NOW)

    async with server.at.client() as client:
        ledger = ValkeyLedger(client)
        await ledger.open(1, bids * 10)
        await ledger.lease([Grant(7, 1, bids * 10, 0.0, EXPIRES)])
        acknowledged: set[int] = set()
        todo = iter(range(bids))

        async def exchange() -> None:
            for sequence in todo:
                await settle(ledger, sequence)
                acknowledged.add(sequence)
                if len(acknowledged) == 300:
                    os.kill(server.process.pid, signal.SIGKILL)

        results = await asyncio.gather(*(exchange() for _ in range(8)), return_exceptions=True)
        assert all(isinstance(result, LedgerError) for result in results)
        assert 300 <= len(acknowledged) < bids
        server.kill()
        server.start()

        again = {sequence: await settle(ledger, sequence) for sequence in range(bids)}
        assert {again[sequence] for sequence in acknowledged} == {NoticeOutcome.DUPLICATE}
        after = await balance(ledger)
        assert_adds_up(after)
        assert (after.spent, after.bills, after.leased) == (price * bids, bids, 0)
