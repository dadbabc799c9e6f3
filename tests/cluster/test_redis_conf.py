"""A real redis-server with `cluster/redis/redis.conf`, its password from a secret's file."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio as aioredis

from raybid.local.environment import ROOT
from raybid.local.ports import free_port
from rtb.ledger.durability import Durability, Level, read_durability
from tests.support import require_package

CONFIGURATION = ROOT / "cluster" / "redis" / "redis.conf"
PASSWORD = "of a test"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("redis-server")
    require_package(program, "redis-server")
    (tmp_path / "redis_auth").write_text(f'requirepass "{PASSWORD}"\n')
    place = {"--port": str(number := free_port()), "--dir": str(tmp_path), "--bind": "127.0.0.1"}
    options = [part for pair in place.items() for part in pair] + ["--include", str(tmp_path / "redis_auth")]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([str(program), str(CONFIGURATION), *options], stdout=log, stderr=log)
    try:
        _await(process, number, tmp_path / "log")
        yield number
    finally:
        process.terminate()
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(100):
        assert process.poll() is None, log.read_text()
        try:
            if redis.Redis(port=port, password=PASSWORD).ping():
                return
        except redis.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_it_keeps_all_that_it_acknowledges(port: int) -> None:
    async def look() -> Durability:
        async with aioredis.Redis(port=port, password=PASSWORD) as client:
            return await read_durability(client)

    found = asyncio.run(look())
    assert found.is_safe
    assert found.level is Level.EACH_WRITE


def test_nobody_without_the_password_is_let_in(port: int) -> None:
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).set("a", 1)


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1"])
def test_nobody_empties_it(port: int, command: str) -> None:
    with pytest.raises(redis.ResponseError, match="unknown command"):
        redis.Redis(port=port, password=PASSWORD).execute_command(*command.split())


def test_a_full_server_refuses_writes_and_deletes_nothing(port: int) -> None:
    client = redis.Redis(port=port, password=PASSWORD)
    client.set("money", 1)
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        client.set("more", 1)
    assert client.get("money") == b"1"
