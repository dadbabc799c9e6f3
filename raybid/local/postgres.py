"""A throwaway PostgreSQL cluster with fresh databases, for trials and tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from raybid.local.checks import LaunchError
from rtb.runtime import processes

_FAST = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200"]


def binaries() -> Path | None:
    """Return the folder of `initdb` and `postgres`, the newest version first."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parts[-3])).parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class PostgresCluster:
    """A running cluster, reached through a socket in its folder, so that it needs no port.

    Args:
        folder: its folder.
        address: address where it listens besides; empty: nowhere.
    """

    def __init__(self, folder: Path, address: str = "") -> None:
        self._folder = folder
        self._address = address
        self._numbers = count(1)

    def new_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = f"catalog{next(self._numbers)}"
        with psycopg.connect(host=str(self._folder), user="raybid", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://raybid@{self._address}/{name}" + ("" if self._address else f"?host={self._folder}")


@contextmanager
def running(folder_of_binaries: Path, address: str = "") -> Iterator[PostgresCluster]:
    """Run a cluster for the time of the block.

    Args:
        folder_of_binaries: folder of `initdb` and `postgres`.
        address: address to listen on for its network besides the socket, to whom it lets everybody in; empty: none.

    Raises:
        LaunchError: it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="raybid-pg-"))
    try:
        data = initialise(folder_of_binaries, folder)
        postgres = str(folder_of_binaries / "postgres")
        command = [postgres, "-D", str(data), "-k", str(folder), "-c", f"listen_addresses={address}", *_FAST]
        if address:
            let_neighbours_in(data)
        with (folder / "log").open("wb") as log:
            server = processes.start(as_owner(command), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _await(server, folder)
            yield PostgresCluster(folder, address)
        finally:
            server.send_signal(signal.SIGINT)  # closes connections, where SIGTERM would wait for them
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def initialise(folder_of_binaries: Path, folder: Path) -> Path:
    """Create the files of a cluster in a folder, which is its owner's from now on; return the folder of its data.

    Raises:
        LaunchError: they cannot be created.
    """
    owner, data = _owner(), folder / "data"
    if owner is not None:
        shutil.chown(folder, owner)
    options = ["-U", "raybid", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    command = as_owner([str(folder_of_binaries / "initdb"), "-D", str(data), *options])
    done = processes.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise LaunchError(f"`initdb` failed: {done.stdout.strip()} {done.stderr.strip()}")
    return data


def let_neighbours_in(data: Path) -> None:
    """Let a cluster be used from its networks without a password."""
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all samenet trust\n")


def as_owner(command: Sequence[str]) -> list[str]:
    """Return a command that runs this one as the user that owns the clusters."""
    owner = _owner()
    if owner is None:
        return list(command)
    group = pwd.getpwnam(owner).pw_gid
    return ["setpriv", f"--reuid={owner}", f"--regid={group}", "--clear-groups", *command]


def _await(server: subprocess.Popen[Any], folder: Path) -> None:
    """Wait until the server accepts connections.

    Raises:
        LaunchError: it exited instead.
    """
    while server.poll() is None:
        with suppress(psycopg.OperationalError):
            psycopg.connect(host=str(folder), user="raybid", dbname="postgres").close()
            return
        time.sleep(0.05)
    raise LaunchError(f"`postgres` failed: {(folder / 'log').read_text().strip()}")


def _owner() -> str | None:
    """Return the user to run PostgreSQL as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
