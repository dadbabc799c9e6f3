"""A throwaway PostgreSQL cluster, and fresh databases in it: for trials and tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from pipelines.local.checks import LaunchError

_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`, newest version first."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parts[-3])).parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Cluster:
    """A running cluster, reached through a socket in its folder: no port that somebody else could have."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    def new_database(self) -> str:
        """SQLAlchemy URL of a database with nothing in it."""
        name = f"catalog{next(self._numbers)}"
        with psycopg.connect(host=str(self._folder), user="raybid", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://raybid@/{name}?host={self._folder}"


@contextmanager
def running(folder_of_binaries: Path) -> Iterator[Cluster]:
    """A cluster for the time of the block.

    Raises:
        LaunchError: it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="raybid-pg-"))
    owner = _owner()
    if owner is not None:
        shutil.chown(folder, owner)
    data = str(folder / "data")
    initdb, pg_ctl = str(folder_of_binaries / "initdb"), str(folder_of_binaries / "pg_ctl")
    try:
        _run(owner, [initdb, "-D", data, "-U", "raybid", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        options = f"-k {folder} -c listen_addresses='' {_FAST}"
        _run(owner, [pg_ctl, "-D", data, "-l", str(folder / "log"), "-o", options, "-w", "start"])
        try:
            yield Cluster(folder)
        finally:
            _run(owner, [pg_ctl, "-D", data, "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _owner() -> str | None:
    """Whom to run it as: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(owner: str | None, command: Sequence[str]) -> None:
    change = [] if owner is None else ["setpriv", f"--reuid={owner}", f"--regid={_group(owner)}", "--clear-groups"]
    with tempfile.TemporaryFile("w+") as said:  # not a pipe: the server would hold its other end open
        done = subprocess.run(
            [*change, *command], cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False
        )
        said.seek(0)
        if done.returncode:
            raise LaunchError(f"`{Path(command[0]).name}` fails: {said.read().strip()}")


def _group(owner: str) -> int:
    return pwd.getpwnam(owner).pw_gid
