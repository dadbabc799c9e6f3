"""Frequency caps against a real server: counted once charged, looked up in one round trip, careful without it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtb.campaigns.campaign import decode_campaign
from rtb.openrtb import NoBid
from rtb.pacing import snapshot
from rtb.targeting.frequency import FrequencyCheck, FrequencyGate, ImpressionCap, caps_of
from rtb.targeting.listing import Listing
from tests.conftest import Valkey
from tests.rtb.builders import make_campaign
from tests.support import examples

CAPS = {1: ImpressionCap(2, 60.0), 2: ImpressionCap(1, 60.0)}


def with_gate(valkey: Valkey, body: Callable[[FrequencyGate, Any], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with valkey.client() as client:
            await client.flushall()
            gate = FrequencyGate(client, **{"timeout": 5.0, **options})
            gate.recap(CAPS)
            await body(gate, client)

    asyncio.run(main())


async def check(gate: FrequencyGate, *pairs: tuple[int, int]) -> FrequencyCheck:
    campaign, user = ([pair[n] for pair in pairs] for n in range(2))
    return await gate.check(np.array(campaign, np.int32), np.array(user, np.uint64))


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shown=st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 5, 2**64 - 1])), max_size=12),
    asked=st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 5, 7, 2**64 - 1])), max_size=12),
)
def test_a_user_who_has_seen_enough_is_shown_no_more(
    valkey: Valkey, shown: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    async def body(gate: FrequencyGate, _: Any) -> None:
        for pair in shown:
            assert await gate.count(*pair)
        seen = Counter(shown)
        expected = [pair[1] != 0 and pair[0] in CAPS and seen[pair] >= CAPS[pair[0]].most for pair in asked]
        assert (await check(gate, *asked)).barred.tolist() == expected

    with_gate(valkey, body)


def test_a_window_begins_with_the_first_impression_and_ends(valkey: Valkey) -> None:
    async def body(gate: FrequencyGate, client: Any) -> None:
        gate.recap({1: ImpressionCap(1, 60.0)})
        await gate.count(1, 5)
        (key,) = await client.keys("raybid:frequency:*")
        assert 30_000 < await client.pttl(key) <= 60_000
        await client.pexpire(key, 30_000)  # as if half of it had gone by
        await gate.count(1, 5)
        assert await client.pttl(key) <= 30_000
        assert (await check(gate, (1, 5))).barred.all()
        await client.pexpire(key, 0)
        assert not (await check(gate, (1, 5))).barred.any()

    with_gate(valkey, body)


def test_a_batch_costs_one_round_trip_and_none_where_nothing_is_capped(valkey: Valkey) -> None:
    async def commands(client: Any) -> int:
        return int((await client.info("stats"))["total_commands_processed"])

    async def body(gate: FrequencyGate, client: Any) -> None:
        before = await commands(client)
        await check(gate, *((campaign, user) for campaign in (1, 2, 3) for user in range(50)))
        between = await commands(client)
        await check(gate, (3, 5), (1, 0))
        await gate.count(3, 5)
        await gate.count(1, 0)
        assert (between - before, await commands(client) - between) == (2, 1)  # asking how many is one of them

    with_gate(valkey, body)


async def test_while_the_server_is_away_capped_campaigns_do_not_bid_and_others_do(free_port: int) -> None:
    async with Valkey(free_port).client() as client:
        gate = FrequencyGate(client, timeout=0.2)
        gate.recap(CAPS)
        verdict = await check(gate, (1, 5), (3, 5), (2, 5), (1, 0))
        assert verdict.barred.tolist() == [True, False, True, False]
        assert verdict.reason is NoBid.FREQUENCY_AWAY
        assert not await gate.count(1, 5)


def test_a_server_that_hangs_is_waited_for_once_and_asked_again_later(valkey: Valkey) -> None:
    now = 0.0

    async def body(gate: FrequencyGate, client: Any) -> None:
        nonlocal now
        await client.client_pause(400)
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(20):
            assert (await check(gate, (1, 5))).reason is NoBid.FREQUENCY_AWAY
        assert loop.time() - started < 1.0
        await client.ping()  # is answered when the pause is over
        now = 1.0
        assert not (await check(gate, (1, 5))).barred.any()

    with_gate(valkey, body, timeout=0.1, clock=lambda: now)


def test_a_campaign_with_a_cap_is_decoded_published_and_capped(valkey: Valkey) -> None:
    sent = {**msgspec.to_builtins(make_campaign()), "frequency": {"count": 3, "seconds": 60}}
    listings = [Listing(1, make_campaign()), Listing(2, decode_campaign(msgspec.json.encode(sent)))]
    caps = caps_of(snapshot.decode_catalog(snapshot.encode_catalog(listings)))
    assert caps == {2: ImpressionCap(3, 60.0)}

    async def body(gate: FrequencyGate, _: Any) -> None:
        gate.recap(caps)
        for _shown in range(3):
            assert not (await check(gate, (1, 5), (2, 5))).barred.any()
            assert await gate.count(1, 5)
            assert await gate.count(2, 5)
        assert (await check(gate, (1, 5), (2, 5), (2, 6))).barred.tolist() == [False, True, False]

    with_gate(valkey, body)
