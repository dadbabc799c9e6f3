"""An S3 server for tests, with a bucket."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raybid.local.ports import free_ports
from rtb.runtime import processes
from rtb.store import Store, StoreAway, open_store
from verification.faults.buckets import KEY, SECRET
from verification.faults.buckets import command as bucket_server

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
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}


@contextmanager
def serving(folder: Path) -> Iterator[Buckets]:
    """Run a server on the loopback address, with its files in a folder."""
    ports = free_ports(8)
    command = bucket_server(folder, "127.0.0.1", ports)
    with (folder / "log").open("wb") as log:
        server = processes.start(command, _GRACE_S, stdout=log, stderr=log, cwd=folder)
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
