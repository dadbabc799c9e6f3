"""Shared rate limits against a real server, never above the rate, and all of it to be had."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import RedisError

from rtb.runtime.rate_limits import PERIOD_SECONDS, Limit, Limiter
from tests.conftest import Valkey
from tests.support import examples

NAME = "exchange-a"


class Cluster:
    """Replicas on one clock that stands still until it is moved; each reports when its period has passed."""

    def __init__(self, client: Any, replicas: int, expected: int = 4) -> None:
        self.now = 1_000.0
        self.limiters = [
            Limiter(client, expected=expected, clock=lambda: self.now, shared_clock=lambda: self.now)
            for _ in range(replicas)
        ]
        self.due = [self.now + PERIOD_SECONDS * place / replicas for place in range(replicas)]
        self.let_through: list[float] = []

    def ask(self, replica: int, limit: Limit, calls: int = 1) -> int:
        granted = sum(self.limiters[replica].allow(NAME, limit) for _ in range(calls))
        self.let_through += [self.now] * granted
        return granted

    async def move(self, seconds: float) -> None:
        until = self.now + seconds
        while (first := min(self.due)) <= until:
            replica = self.due.index(first)
            self.now = max(self.now, first)
            await self.limiters[replica].sync()
            self.due[replica] = first + PERIOD_SECONDS
        self.now = until

    def excess(self, limit: Limit) -> float:
        """Return the most that any window had beyond its rate."""
        times = np.array(self.let_through)
        if not len(times):
            return 0.0
        place = np.arange(len(times))
        calls = place[None, :] - place[:, None] + 1
        return float((calls - limit.rate * (times[None, :] - times[:, None]))[np.triu_indices(len(times))].max())

    def slack(self, limit: Limit) -> float:
        return 2 * limit.burst + 3 * limit.rate * PERIOD_SECONDS + 2 * len(self.limiters)


def with_client(valkey: Valkey, body: Callable[[Any], Awaitable[None]]) -> None:
    async def main() -> None:
        async with valkey.client() as client:
            await client.flushall()
            await body(client)

    asyncio.run(main())


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    replicas=st.integers(1, 5),
    rate=st.sampled_from([0.5, 5.0, 40.0, 300.0]),
    burst=st.sampled_from([1.0, 3.0, 40.0]),
    steps=st.lists(st.tuples(st.floats(0, 1.5), st.integers(0, 4), st.integers(1, 80)), max_size=40),
)
def test_all_replicas_together_keep_to_the_rate(
    valkey: Valkey, replicas: int, rate: float, burst: float, steps: list[tuple[float, int, int]]
) -> None:
    limit = Limit(rate, burst)

    async def body(client: Any) -> None:
        cluster = Cluster(client, replicas, expected=replicas)
        for seconds, replica, calls in steps:
            await cluster.move(seconds)
            cluster.ask(replica % replicas, limit, calls)
        assert cluster.excess(limit) <= cluster.slack(limit)

    with_client(valkey, body)


@pytest.mark.parametrize("busy", [1, 2, 4])
@pytest.mark.parametrize("limit", [Limit(100.0, 100.0), Limit(1000 / 60, 50.0), Limit(2.0, 2.0)])
def test_all_of_the_rate_is_to_be_had_however_many_replicas_are_asked(valkey: Valkey, busy: int, limit: Limit) -> None:
    async def body(client: Any) -> None:
        cluster = Cluster(client, 4)
        for _ in range(400):
            await cluster.move(0.05)
            for replica in range(busy):
                cluster.ask(replica, limit, 5)
        ceiling = 20 * limit.rate + cluster.slack(limit)
        assert 0.9 * 20 * limit.rate <= len(cluster.let_through) <= ceiling

    with_client(valkey, body)


def test_a_call_within_the_limit_is_never_refused(valkey: Valkey) -> None:
    async def body(client: Any) -> None:
        cluster = Cluster(client, 4)
        for call in range(200):
            await cluster.move(0.2)
            assert cluster.ask(call % 4, Limit(10.0, 10.0))

    with_client(valkey, body)


def test_names_do_not_touch_each_other_and_a_limit_can_be_changed(valkey: Valkey) -> None:
    async def body(client: Any) -> None:
        cluster = Cluster(client, 1)
        (limiter,) = cluster.limiters
        while limiter.allow("a", Limit(1.0, 5.0)):
            pass
        assert limiter.allow("b", Limit(1.0, 5.0))
        await cluster.move(1.0)
        assert not all(limiter.allow("a", Limit(1.0, 5.0)) for _ in range(7))
        for _ in range(10):
            limiter.allow("a", Limit(50.0, 50.0))
            await cluster.move(0.2)
        assert all(limiter.allow("a", Limit(50.0, 50.0)) for _ in range(5))

    with_client(valkey, body)


@pytest.mark.parametrize("limit", [Limit(5.0, 5.0), Limit(1000 / 60, 30.0), Limit(0.5, 1.0)])
def test_who_waits_as_long_as_told_is_let_through(valkey: Valkey, limit: Limit) -> None:
    async def body(client: Any) -> None:
        cluster = Cluster(client, 2)
        limiter = cluster.limiters[0]
        assert limiter.wait("nobody") == 0.0
        for _ in range(40):
            cluster.ask(0, limit, 10)
            cluster.ask(1, limit, 10)
            await cluster.move(0.1)
        while cluster.ask(0, limit):
            pass
        seconds = limiter.wait(NAME)
        assert 0 < seconds <= cluster.slack(limit) / limit.rate
        await cluster.move(np.ceil(seconds))
        if not cluster.ask(0, limit):  # the other replica's last report was not known yet
            await cluster.move(np.ceil(limiter.wait(NAME)))
            assert cluster.ask(0, limit)

    with_client(valkey, body)


def test_while_the_server_is_away_each_replica_has_its_share_and_the_debt_does_not_last(
    valkey: Valkey, free_port: int
) -> None:
    limit = Limit(100.0, 40.0)

    async def body(client: Any) -> None:
        cluster = Cluster(client, 2)
        for _ in range(10):  # both learn that there are two
            cluster.ask(0, limit, 20)
            cluster.ask(1, limit, 20)
            await cluster.move(0.1)
        async with Valkey(free_port).client() as nobody:
            scripts = [limiter._script for limiter in cluster.limiters]
            for limiter in cluster.limiters:
                limiter._script = nobody.register_script(scripts[0].script)
            granted = 0
            for _ in range(600):
                cluster.now += 0.1
                granted += cluster.ask(0, limit, 50)
                with pytest.raises((RedisError, OSError)):
                    await cluster.limiters[0].sync()
            assert 0.95 * 60 * limit.rate / 2 <= granted <= 60 * limit.rate / 2 + limit.burst
        for limiter, script in zip(cluster.limiters, scripts, strict=True):
            limiter._script = script
        cluster.due = [cluster.now, cluster.now]
        await cluster.move(2.0 + 2 * limit.burst / limit.rate)
        assert cluster.ask(0, limit)

    with_client(valkey, body)


async def test_a_replica_that_never_reached_the_server_has_one_part_of_those_expected(free_port: int) -> None:
    async with Valkey(free_port).client() as nobody:
        assert Cluster(nobody, 1, expected=4).ask(0, Limit(10.0, 40.0), 100) == 10


def test_many_names_cost_one_round_trip_and_are_forgotten_on_both_sides(valkey: Valkey) -> None:
    async def body(client: Any) -> None:
        cluster = Cluster(client, 1)
        (limiter,) = cluster.limiters
        for name in range(500):
            limiter.allow(f"key-{name}", Limit(10.0, 10.0))
        await limiter.sync()  # loads the script
        before = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
        await limiter.sync()
        assert (await client.info("commandstats"))["cmdstat_evalsha"]["calls"] == before + 1
        assert 0 < await client.ttl("raybid:limit:key-7") <= 12
        cluster.now += 10.0
        await limiter.sync()
        assert not limiter._parts

    with_client(valkey, body)


def test_replicas_on_the_servers_own_clock_keep_to_the_rate(valkey: Valkey) -> None:
    limit = Limit(200.0, 20.0)

    async def body(client: Any) -> None:
        limiters = [Limiter(client), Limiter(client)]
        loop = asyncio.get_running_loop()
        began, granted = loop.time(), 0
        while loop.time() < began + 2.0:
            granted += sum(limiter.allow(NAME, limit) for limiter in limiters for _ in range(20))
            await asyncio.sleep(0.02)
            for limiter in limiters:
                await limiter.sync()
        took = loop.time() - began
        assert limit.rate <= granted <= limit.rate * took + 2 * limit.burst + 3 * limit.rate * PERIOD_SECONDS + 4

    with_client(valkey, body)
