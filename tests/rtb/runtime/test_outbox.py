"""Parcels over a line that loses answers: each is taken once, in order, whoever tries again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio as aioredis
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as Unreachable

from rtb.runtime.outbox import Outbox, Stamp, once
from tests.conftest import Valkey
from tests.lossy import LossyLine

_PUSH = once("if is_new(ARGV[1], ARGV[2]) then redis.call('RPUSH', 'taken', ARGV[3]) end return 1")


class Sender:
    """Sends texts by a script that keeps them in a list."""

    def __init__(self, client: aioredis.Redis) -> None:
        self._script: Any = client.register_script(_PUSH)
        self.waiting: list[str] = []
        self.outbox: Outbox[str] = Outbox(self._deliver)

    async def send(self, *texts: str) -> None:
        self.waiting += texts
        await self.outbox.send(lambda: self.waiting.pop(0) if self.waiting else None)

    async def _deliver(self, stamp: Stamp, text: str) -> None:
        await self._script(args=[*stamp, text])


async def taken(valkey: Valkey) -> list[str]:
    async with valkey.client() as client:
        texts: Any = await client.lrange("taken", 0, -1)
        return [text.decode() for text in texts]


async def test_what_the_client_itself_sends_again_is_taken_once(valkey: Valkey):
    async with LossyLine(valkey) as line, line.client(retries=1) as client:
        sender = Sender(client)
        await sender.send("one")
        line.lose = 1
        await sender.send("two")
        assert line.lose == 0
        assert await taken(valkey) == ["one", "two"]


async def test_what_was_not_acknowledged_goes_before_what_came_later_and_unchanged(valkey: Valkey):
    async with LossyLine(valkey) as line, line.client(retries=0) as client:
        sender = Sender(client)
        await sender.send("one")
        line.lose = 2
        with pytest.raises(Unreachable):
            await sender.send("two")
        with pytest.raises(Unreachable):
            await sender.send("three")
        assert sender.waiting == ["three"]
        await sender.send()
        await sender.send()
        assert await taken(valkey) == ["one", "two", "three"]


async def test_a_parcel_whose_sending_was_cancelled_is_not_forgotten(valkey: Valkey):
    async with valkey.client() as client:
        sender = Sender(client)
        task = asyncio.ensure_future(sender.send("one"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await sender.send("two")
        await sender.send()
        assert await taken(valkey) == ["one", "two"]


async def test_senders_at_once_and_several_calls_at_once_do_not_mix(valkey: Valkey):
    async with LossyLine(valkey) as line, line.client(retries=3) as client:
        senders = [Sender(client) for _ in range(3)]
        await senders[0].send()
        line.lose = 5
        sent = [f"{number} {text}" for text in "abcdef" for number in range(3)]
        await asyncio.gather(*(senders[int(text[0])].send(text) for text in sent))
        assert sorted(await taken(valkey)) == sorted(sent)


async def test_a_late_copy_of_an_earlier_parcel_is_not_taken(valkey: Valkey):
    async with valkey.client() as client:
        script = client.register_script(_PUSH)
        for number in (1, 2, 1, 2, 10, 9):
            await script(args=["somebody", number, str(number)])
        assert await taken(valkey) == ["1", "2", "10"]
        assert 0 < await client.ttl("raybid:sender:somebody") <= 86_400


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_whatever_is_lost_on_the_way_there_or_back_each_parcel_is_taken_once(tries: list[tuple[bool, bool]]) -> None:
    got: list[int] = []
    seen: dict[str, int] = {}
    losses = iter(tries)

    async def deliver(stamp: Stamp, parcel: int) -> None:
        lost_there, lost_back = next(losses, (False, False))
        if lost_there:
            raise OSError
        if stamp.number > seen.get(stamp.sender, 0):
            seen[stamp.sender] = stamp.number
            got.append(parcel)
        if lost_back:
            raise OSError

    async def main() -> None:
        outbox: Outbox[int] = Outbox(deliver)
        left = list(range(5))
        for _ in range(len(tries) + 6):
            try:
                await outbox.send(lambda: left.pop(0) if left else None)
            except OSError:
                continue

    asyncio.run(main())
    assert got == list(range(5))
