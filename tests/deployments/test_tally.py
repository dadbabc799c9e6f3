"""Counters over replicas."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as Unreachable

from deployments.tally import Tally
from tests.conftest import Valkey
from tests.lossy import LossyLine


async def test_nothing_counted_is_nothing_told(valkey: Valkey):
    async with valkey.client() as client:
        assert await Tally(client).totals() == {}


async def test_any_replica_tells_the_sum_over_all(valkey: Valkey):
    async with valkey.client() as client:
        first, second = Tally(client), Tally(client)
        first.add("requests", 3)
        first.add("bids")
        await first.flush()
        second.add("requests")
        second.add("requests")
        expected = {"bids": 1, "requests": 5}
        assert await second.totals() == expected
        assert await first.totals() == expected
        assert list(await first.totals()) == ["bids", "requests"]


async def test_its_own_counts_are_told_before_they_were_flushed_and_others_after(valkey: Valkey):
    async with valkey.client() as client:
        first, second = Tally(client), Tally(client)
        first.add("requests")
        assert await second.totals() == {}
        assert await first.totals() == {"requests": 1}
        assert await second.totals() == {"requests": 1}


async def test_flushing_again_adds_nothing(valkey: Valkey):
    async with valkey.client() as client:
        tally = Tally(client)
        tally.add("requests", 2)
        for _ in range(3):
            await tally.flush()
        assert await tally.totals() == {"requests": 2}


async def test_counts_are_kept_while_the_server_is_away(valkey: Valkey):
    async with LossyLine(valkey) as line, line.client() as client:
        tally = Tally(client)
        tally.add("requests", 2)
        line.cut = True
        for _ in range(2):
            with pytest.raises(Unreachable):
                await tally.flush()
        tally.add("requests")
        tally.add("bids")
        with pytest.raises(Unreachable):
            await tally.totals()
        line.cut = False
        assert await tally.totals() == {"bids": 1, "requests": 3}


async def test_what_is_counted_is_added_once_though_answers_are_lost(valkey: Valkey):
    async with LossyLine(valkey) as line, line.client(retries=1) as client:
        tally = Tally(client)
        tally.add("requests")
        await tally.flush()
        for lost in (1, 2, 2):
            line.lose = lost
            tally.add("requests")
            try:
                await asyncio.gather(tally.flush(), tally.flush())
            except Unreachable:
                assert lost == 2
        line.lose = 0
        assert await tally.totals() == {"requests": 4}
