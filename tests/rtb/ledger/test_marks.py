"""How long the ledger remembers that a notice was counted."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import redis.asyncio as aioredis

from rtb.events import STREAM
from rtb.ledger import ValkeyLedger
from rtb.settlement.notice_tokens import BidRef, Kind, counts_until
from tests.conftest import Valkey

REF = BidRef(1, 1, 1, 0, 1_000, int(time.time()) + 60)


async def remembered_for(port: int, *kinds: Kind) -> int:
    async with aioredis.Redis(port=port) as client:
        await client.flushall()
        ledger = ValkeyLedger(client)
        await ledger.open(1, 1_000_000)
        for kind in kinds:
            await ledger.count(REF, kind, time.time())
        return int(await client.ttl(f"raybid:bid:{REF.bid_id}"))


def test_a_notice_is_remembered_longer_than_it_would_be_accepted(valkey: Valkey) -> None:
    for kind in (Kind.WIN, Kind.CLICK, Kind.CONVERSION):
        assert asyncio.run(remembered_for(valkey.port, kind)) > counts_until(REF, kind) - time.time()


async def test_events_of_notices_say_what_would_have_won(valkey: Valkey) -> None:
    async with aioredis.Redis(port=valkey.port) as client:
        await client.flushall()
        ledger = ValkeyLedger(client)
        await ledger.open(1, 1_000_000)
        await ledger.count(REF, Kind.WIN, time.time(), min_to_win_micros=11)
        await ledger.release(REF, time.time(), min_to_win_micros=13)
        await ledger.settle(REF, Kind.BILL, 900, time.time(), min_to_win_micros=12)
        await ledger.count(REF, Kind.CLICK, time.time())
        rows: Any = await client.xrange(STREAM)
    said = [(row[b"kind"], row[b"min_to_win_micros"]) for _, row in rows]
    assert said == [(b"win", b"11"), (b"loss", b"13"), (b"bill", b"12"), (b"click", b"")]


def test_a_bid_that_was_paid_and_clicked_is_remembered_until_nobody_may_buy_any_more(valkey: Valkey) -> None:
    async def main(*, paid_first: bool) -> int:
        async with aioredis.Redis(port=valkey.port) as client:
            await client.flushall()
            ledger = ValkeyLedger(client)
            await ledger.open(1, 1_000_000)
            steps = [ledger.settle(REF, Kind.BILL, 9, time.time()), ledger.count(REF, Kind.CLICK, time.time())]
            for step in steps if paid_first else reversed(steps):
                await step
            rows: Any = await client.xrange(STREAM)
            assert [(row[b"kind"], row[b"outcome"]) for _, row in rows][-1] == (b"click", b"counted")
            return int(await client.ttl(f"raybid:bid:{REF.bid_id}"))

    for paid_first in (True, False):
        assert asyncio.run(main(paid_first=paid_first)) > counts_until(REF, Kind.CONVERSION) - time.time()


def test_a_short_memory_does_not_shorten_a_long_one(valkey: Valkey) -> None:
    both = asyncio.run(remembered_for(valkey.port, Kind.CONVERSION, Kind.CLICK))
    assert both > counts_until(REF, Kind.CONVERSION) - time.time()
