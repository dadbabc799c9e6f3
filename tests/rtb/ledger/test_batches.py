"""Notices in flight together travel together: each still stands for itself, and scripts the server forgot come back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from rtb.ledger import Closing, Grant, Ledger, LedgerError, NoticeOutcome, Usage, ValkeyLedger
from rtb.ledger.scripts import ScriptCall, Scripts
from rtb.settlement.notice_tokens import Kind
from tests.conftest import Valkey
from tests.rtb.ledger.support import EXPIRES, NOW, Restartable, assert_adds_up, balance, bid, pots


def on_ledger(at: Valkey, body: Callable[[ValkeyLedger, Any], Awaitable[None]], **options: Any) -> None:
    """Run a body with a ledger and a client, where campaign 1 has leased 5,000 of 10,000 micros."""

    async def main() -> None:
        async with aioredis.Redis(port=at.port, **{"retry": Retry(NoBackoff(), 0), **options}) as client:
            ledger = ValkeyLedger(client)
            await ledger.open(1, 10_000)
            assert await ledger.lease([Grant(7, 1, 5_000, 0.0, EXPIRES)]) == [5_000]
            await body(ledger, client)

    asyncio.run(main())


async def settle(ledger: Ledger, *sequences: int) -> list[NoticeOutcome | BaseException]:
    """Settle bids at once."""
    notices = (ledger.settle(bid(sequence, ceiling=10), Kind.BILL, 4, NOW) for sequence in sequences)
    return await asyncio.gather(*notices, return_exceptions=True)


def test_notices_in_flight_together_take_few_round_trips(valkey: Valkey):
    async def body(ledger: ValkeyLedger, client: Any) -> None:
        await settle(ledger, 0)
        before = (await client.info("stats"))["total_reads_processed"]
        assert await settle(ledger, *range(1, 301)) == [NoticeOutcome.SETTLED] * 300
        reads = (await client.info("stats"))["total_reads_processed"] - before
        assert reads <= 30

    on_ledger(valkey, body)


def test_more_notices_may_be_in_flight_than_there_are_connections(valkey: Valkey):
    async def body(ledger: ValkeyLedger, _: Any) -> None:
        assert await settle(ledger, *range(500)) == [NoticeOutcome.SETTLED] * 500
        assert await pots(ledger) == {"available": 8_000, "spent": 2_000}

    on_ledger(valkey, body, max_connections=3)


def test_notices_of_all_kinds_travel_together_and_each_gets_its_own_answer(valkey: Valkey):
    async def body(ledger: ValkeyLedger, _: Any) -> None:
        outcomes = await asyncio.gather(
            ledger.settle(bid(1), Kind.BILL, 60, NOW),
            ledger.count(bid(1), Kind.CLICK, NOW),
            ledger.release(bid(2), NOW),
            ledger.settle(bid(1), Kind.BILL, 60, NOW),
            ledger.settle(bid(3, ceiling=50_000), Kind.BILL, 40_000, NOW),
            ledger.count(bid(4, campaign=99), Kind.WIN, NOW),
        )
        assert [*outcomes] == ["settled", "counted", "freed", "duplicate", "unfunded", "unknown"]

    on_ledger(valkey, body)


def test_a_script_that_fails_fails_its_own_notice_only(valkey: Valkey):
    async def body(ledger: ValkeyLedger, client: Any) -> None:
        await client.set(f"raybid:bid:{bid(2).bid_id}", "no hash")
        first, second, third = await settle(ledger, 1, 2, 3)
        assert (first, third) == (NoticeOutcome.SETTLED, NoticeOutcome.SETTLED)
        assert isinstance(second, LedgerError)
        assert "WRONGTYPE" in str(second)
        await client.delete(f"raybid:bid:{bid(2).bid_id}")
        assert await settle(ledger, 1, 2, 3) == [
            NoticeOutcome.DUPLICATE,
            NoticeOutcome.SETTLED,
            NoticeOutcome.DUPLICATE,
        ]

    on_ledger(valkey, body)


def test_a_notice_that_is_given_up_leaves_the_others_alone(valkey: Valkey):
    async def body(ledger: ValkeyLedger, _: Any) -> None:
        notices = (ledger.settle(bid(sequence, ceiling=10), Kind.BILL, 4, NOW) for sequence in range(300))
        tasks = [asyncio.ensure_future(notice) for notice in notices]
        for _ in range(3):
            await asyncio.sleep(0)  # two batches are on their way, the rest waits
        for task in tasks[::3]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::3])
        assert {answer for place, answer in enumerate(answers) if place % 3} == {NoticeOutcome.SETTLED}
        again = await settle(ledger, *range(300))
        assert NoticeOutcome.DUPLICATE in again[::3]  # given up on its way
        assert NoticeOutcome.SETTLED in again[::3]  # given up in the queue
        assert await pots(ledger) == {"available": 6_800, "leased": 2_000, "spent": 1_200}

    on_ledger(valkey, body)


def test_every_operation_works_when_the_server_forgot_its_scripts(valkey: Valkey):
    async def body(ledger: ValkeyLedger, client: Any) -> None:
        operations: list[tuple[Callable[[], Awaitable[Any]], Any]] = [
            (lambda: ledger.open(1, 20_000), None),
            (lambda: ledger.lease([Grant(8, 1, 100, 0.0, EXPIRES), Grant(9, 1, 200, 0.0, EXPIRES)]), [100, 200]),
            (lambda: ledger.close([Closing(8, 0), Closing(9, 50)]), None),
            (lambda: settle(ledger, *range(100)), [NoticeOutcome.SETTLED] * 100),
            (lambda: ledger.release(bid(200), NOW), NoticeOutcome.FREED),
            (lambda: ledger.count(bid(1), Kind.CLICK, NOW), NoticeOutcome.COUNTED),
            (lambda: ledger.report([Usage(1, 1, 1, 0.5), Usage(1, 2, 1, 0.5)]), None),
            (lambda: ledger.reclaim(EXPIRES), 5_000 - 1_000 - 100 + 50),
        ]
        for operation, answer in operations:
            await client.script_flush()
            assert await operation() == answer
        after = await balance(ledger)
        assert_adds_up(after)
        assert (after.spent, after.losses, after.clicks, after.opportunities) == (400, 1, 1, 3)

    on_ledger(valkey, body)


def test_only_what_the_server_did_not_know_is_sent_again(valkey: Valkey):
    async def body(ledger: ValkeyLedger, client: Any) -> None:
        await client.script_flush()
        assert await ledger.count(bid(1), Kind.WIN, NOW) is NoticeOutcome.COUNTED
        calls = [
            ScriptCall("count", (bid(2).bid_id, 1, "click", "clicks", NOW, 60, "stream", "", "")),
            ScriptCall("remember", (bid(4).bid_id, 60, "click")),
            ScriptCall("count", (bid(3).bid_id, 1, "click", "clicks", NOW, 60, "stream", "", "")),
            ScriptCall("remember", (bid(4).bid_id, 60, "win", "bill")),
        ]
        assert await Scripts(client).run(calls) == [b"counted", 1, b"counted", 2]
        assert (await balance(ledger)).clicks == 2

    on_ledger(valkey, body)


def test_scripts_that_are_forgotten_again_and_again_spend_each_bid_once(valkey: Valkey):
    """Where a script is forgotten even as it is loaded, its notice is not acknowledged, and sent again."""
    bids = range(400)

    async def body(ledger: ValkeyLedger, client: Any) -> None:
        settled: set[int] = set()

        async def forget() -> None:
            while len(settled) < len(bids):
                await client.script_flush()

        async def exchange(sequence: int) -> None:
            while isinstance((await settle(ledger, sequence))[0], LedgerError):
                pass
            settled.add(sequence)

        await asyncio.gather(forget(), *(exchange(sequence) for sequence in bids))
        after = await balance(ledger)
        assert (after.spent, after.bills) == (4 * len(bids), len(bids))

    on_ledger(valkey, body)


def test_notices_in_flight_go_through_a_restart_of_the_server(server: Restartable):
    """One retry, as in serving: neither the broken connection nor the forgotten scripts cost a notice."""

    async def body(ledger: ValkeyLedger, _: Any) -> None:
        assert await settle(ledger, *range(100)) == [NoticeOutcome.SETTLED] * 100
        server.kill()
        server.start()
        again = [NoticeOutcome.DUPLICATE] * 100 + [NoticeOutcome.SETTLED] * 100
        assert await settle(ledger, *range(200)) == again
        assert (await balance(ledger)).spent == 800

    on_ledger(server.at, body, retry=Retry(NoBackoff(), 1))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "hung"])
def test_while_the_server_is_away_every_notice_in_flight_is_told_so(server: Restartable, how: signal.Signals):
    async def body(ledger: ValkeyLedger, _: Any) -> None:
        os.kill(server.process.pid, how)
        try:
            answers = await settle(ledger, *range(1_000))
        finally:
            with suppress(ProcessLookupError):  # dead
                os.kill(server.process.pid, signal.SIGCONT)
        assert {type(answer) for answer in answers} == {LedgerError}
        if how is signal.SIGKILL:
            server.kill()
            server.start()
        await settle(ledger, *range(250))
        assert await settle(ledger, *range(250)) == [NoticeOutcome.DUPLICATE] * 250
        assert_adds_up(await balance(ledger))

    on_ledger(server.at, body, socket_timeout=0.5)
