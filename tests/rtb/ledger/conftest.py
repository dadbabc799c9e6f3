"""Each kind of ledger, and a server that may die."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.conftest import Valkey
from tests.rtb.ledger import servers
from tests.rtb.ledger.support import Ledgers, Restartable, memory_ledger, valkey_ledgers


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Valkey]:
    """Start a Redis: its Lua differs from Valkey's and writes some numbers otherwise."""
    with servers.running("redis") as server:
        yield server


@pytest.fixture(params=["memory", *(pytest.param(kind, marks=pytest.mark.slow) for kind in servers.KINDS)])
def ledgers(request: pytest.FixtureRequest) -> Ledgers:
    """Run a test over every ledger; see `with_ledger`."""
    if request.param == "memory":
        return memory_ledger
    server: Valkey = request.getfixturevalue("valkey" if request.param == "valkey" else "redis_server")
    server.flush()
    return valkey_ledgers(server)


@pytest.fixture
def server(free_port: int, tmp_path: Path) -> Iterator[Restartable]:
    """Start a server for this test alone."""
    server = Restartable(free_port, tmp_path)
    yield server
    server.process.stop()


@pytest.fixture
def quick(valkey: Valkey) -> Iterator[Valkey]:
    """Return the server without waiting for its disk: same answers, sooner."""
    with redis.Redis(port=valkey.port) as client:
        client.config_set("appendfsync", "no")
        yield valkey
        client.config_set("appendfsync", "always")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()
