"""What servers say of what they keep, read from real ones."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.ledger import Durability, DurabilityWatch, LedgerError, read_durability
from rtb.ledger.durability import Level, assess_durability
from tests.conftest import Valkey
from tests.rtb.ledger.servers import KINDS, running

SYNCED = ("--appendonly", "yes", "--appendfsync", "always")
FULL = ("--maxmemory", "100mb", "--maxmemory-policy")
NO_CONFIG = ("--user", "default", "on", "nopass", "~*", "&*", "+@all", "-config")
NEITHER = (*NO_CONFIG, "-info")


def read(server: Valkey) -> Durability:
    async def main() -> Durability:
        async with server.client() as client:
            return await read_durability(client)

    return asyncio.run(main())


def test_the_embedded_server_keeps_each_write(valkey: Valkey) -> None:
    found = read(valkey)
    assert (found, str(found), found.is_safe) == (Durability(Level.EACH_WRITE), "each write", True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "none: appendonly is no: "),
        (SYNCED, "each write"),
        ((*SYNCED[:3], "everysec"), "about a second: appendfsync is everysec: "),
        ((*SYNCED[:3], "no"), "none: appendfsync is no: "),
        ((*SYNCED, "--no-appendfsync-on-rewrite", "yes"), "none: nothing is synced while the file is rewritten: "),
        ((*SYNCED, *FULL, "noeviction"), "each write"),
        ((*SYNCED, "--maxmemory-policy", "allkeys-lru"), "each write"),  # without a limit nothing is evicted
        ((*SYNCED, *FULL, "allkeys-lru"), "each write: maxmemory-policy is allkeys-lru, which may delete campaigns'"),
        ((*SYNCED, *FULL, "volatile-ttl"), "each write: maxmemory-policy is volatile-ttl, which may delete notices"),
        ((*SYNCED, *NO_CONFIG), "unknown: there is an append-only file; "),
        ((*SYNCED, "--rename-command", "CONFIG", ""), "unknown: there is an append-only file; "),
        (NO_CONFIG, "none: appendonly is no: "),
        ((*SYNCED, *NO_CONFIG, *FULL, "allkeys-random"), "unknown: there is an append-only file; "),
        (NEITHER, "unknown: the server shows neither"),
        ((*SYNCED, "--replicaof", "127.0.0.1 1"), "each write: it is a replica, which takes no writes and may lag: "),
        (
            (*SYNCED, "--cluster-enabled", "yes"),
            "each write: it is a cluster, which splits what must change together: ",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_each_way_to_keep_less_is_told_with_what_mends_it(kind: str, options: tuple[str, ...], said: str) -> None:
    with running(kind, *options) as server:
        found = read(server)
    assert str(found).startswith(said)
    assert found.is_safe == (said == "each write")
    assert ("maxmemory-policy noeviction" in str(found)) == ("--maxmemory" in options and "noeviction" not in options)


async def test_a_server_that_is_away_is_an_error_and_then_unknown(free_port: int) -> None:
    async with Valkey(free_port).client() as client:
        watch = DurabilityWatch(client, required=True)
        for _ in range(2):
            assert "RAYBID_REQUIRE_DURABLE" in watch.refusal
            with pytest.raises(LedgerError):
                await watch.look()
        assert watch.found.level is Level.UNKNOWN


async def test_a_watch_refuses_only_where_it_is_required_and_follows_the_server() -> None:
    with running("valkey", *SYNCED) as server:
        async with server.client() as client:
            easy, strict = DurabilityWatch(client), DurabilityWatch(client, required=True)

            async def refusals() -> tuple[str, str]:
                await easy.look()
                await strict.look()
                return easy.refusal, strict.refusal

            assert await refusals() == ("", "")
            await client.config_set("appendfsync", "everysec")
            easily, strictly = await refusals()
            assert (easily, "about a second" in strictly) == ("", True)
            await client.config_set("appendfsync", "always")
            assert await refusals() == ("", "")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_evicts_is_refused_whatever_is_required(policy: str) -> None:
    async def main(server: Valkey) -> None:
        async with server.client() as client:
            watch = DurabilityWatch(client)
            await watch.look()
            assert "must not hold money" in watch.refusal and "set `maxmemory-policy noeviction`" in watch.refusal
            await client.config_set("maxmemory-policy", "noeviction")
            await watch.look()
            assert not watch.refusal

    with running("valkey", *SYNCED, *FULL, policy) as server:
        asyncio.run(main(server))


_texts = st.sampled_from(["yes", "no", "always", "everysec", "noeviction", "allkeys-lru", "volatile-lru", ""])
_names = ["appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy", "maxmemory_policy"]


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(_names, _texts)
        | {"aof_enabled": st.integers(0, 1), "maxmemory": st.one_of(st.integers(0, 2**40), st.just("0"))},
    )
)
def test_nothing_is_called_safe_that_does_not_say_all_of_it(facts: dict[str, object]) -> None:
    found = assess_durability(facts)
    assert str(found).startswith(found.level)
    if found.is_safe:
        assert facts["appendfsync"] == "always"
        assert facts.get("appendonly") == "yes" or facts.get("aof_enabled") == 1
        assert facts.get("no-appendfsync-on-rewrite") != "yes"
