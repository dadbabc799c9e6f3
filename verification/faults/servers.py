"""External servers for a platform, given by URL: a `redis-server`, and PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.exceptions import RedisError

from raybid.local import LaunchError
from raybid.local.environment import ROOT
from raybid.local.ports import free_port
from rtb.ledger.embedded import is_listening
from rtb.runtime import processes

CONFIGURATION = ROOT / "cluster" / "redis" / "redis.conf"
"""The shipped configuration."""

_START_SECONDS = 10.0
_DOWN_SECONDS = 2.0


class RedisServer:
    """A `redis-server` that writes everything to disk before it acknowledges.

    Args:
        folder: folder of its append-only file.

    Raises:
        LaunchError: it is missing, or does not start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        self._arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = self._start()

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def restart(self) -> None:
        """Restart it after it was killed, a little later."""
        self._process.wait()
        time.sleep(_DOWN_SECONDS)
        self._process = self._start()

    def stop(self) -> None:
        """Stop it."""
        processes.end(self._process)

    def _start(self) -> subprocess.Popen[bytes]:
        process = _start(self._folder, [_binary(), *self._arguments])
        deadline = time.monotonic() + _START_SECONDS
        with redis.Redis(port=self.port, socket_timeout=1.0) as client:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    if is_listening(self.port) and client.ping():
                        return process
                except RedisError:  # still loading its file
                    pass
                time.sleep(0.05)
        processes.end(process)
        raise LaunchError(f"redis-server did not start: see {self._folder / 'redis.log'}")


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """Run one for the time of the block."""
    server = RedisServer(folder)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def configured_redis(folder: Path, host: str, auth: Path) -> Iterator[int]:
    """Run a `redis-server` with the shipped configuration for the time of the block; yield its port.

    Args:
        folder: folder of its append-only file.
        host: address to listen on besides loopback.
        auth: file with the line that sets its password.

    Raises:
        LaunchError: it is missing, or does not start.
    """
    port = free_port()
    process = _start(folder, redis_command(folder, f"127.0.0.1 {host}", port, auth))
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LaunchError(f"redis-server did not start: see {folder / 'redis.log'}")
            time.sleep(0.05)
        yield port
    finally:
        processes.end(process)


def redis_command(folder: Path, addresses: str, port: int, auth: Path) -> list[str]:
    """Return the command of a `redis-server` with the shipped configuration.

    Args:
        folder: folder of its append-only file.
        addresses: addresses to listen on, with spaces between them.
        port: port to listen on.
        auth: file with the line that sets its password.

    Raises:
        LaunchError: it is missing.
    """
    place = ["--port", str(port), "--bind", addresses, "--dir", str(folder), "--include", str(auth)]
    return [_binary(), str(CONFIGURATION), *place]


def _binary() -> str:
    binary = shutil.which("redis-server")
    if binary is None:
        raise LaunchError("redis-server is not on the PATH: install Redis (chaos needs none without --own-servers)")
    return binary


def _start(folder: Path, command: Sequence[str]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "redis.log").open("ab") as log:
        return processes.start(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
