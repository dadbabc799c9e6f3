"""The hosts of the check, all on this machine: their names, and the servers behind them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, NamedTuple

import uvicorn

from raybid.local import LaunchError
from verification.user_sync.certificates import Certificate

BIDDER, PREBID, EVIL = "bid.example", "pbs.example", "evil.example"
PUBLISHERS = ("news.example", "shop.example")
NAMES = (BIDDER, PREBID, EVIL, *PUBLISHERS)

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 10.0
_CHUNK = 1 << 16


class Hosts(NamedTuple):
    """Where the hosts are.

    Attributes:
        sites_port: port of all hosts but the platform's.
        bidder_port: port of the platform, with TLS.
    """

    sites_port: int
    bidder_port: int

    @property
    def bidder(self) -> str:
        """Address of the platform, as browsers reach it."""
        return f"https://{BIDDER}:{self.bidder_port}"

    def place(self, name: str) -> str:
        """Return the host and port of another host."""
        return f"{name}:{self.sites_port}"

    def address(self, name: str) -> str:
        """Return the address of another host."""
        return f"https://{self.place(name)}"


@contextmanager
def serving(hosts: Hosts, certificate: Certificate, sites: Any, platform_port: int) -> Iterator[None]:
    """Serve an application as all sites, and the platform behind TLS, for the time of the block.

    Raises:
        LaunchError: a port is taken.
    """
    config = uvicorn.Config(
        sites,
        host=_LOOPBACK,
        port=hosts.sites_port,
        ssl_certfile=str(certificate.path),
        ssl_keyfile=str(certificate.key_path),
        log_level="error",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server, is_up = uvicorn.Server(config), Event()

    async def main() -> None:
        async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _pass(reader, writer, platform_port)

        context = certificate.server_context()
        async with await asyncio.start_server(passed, _LOOPBACK, hosts.bidder_port, ssl=context):
            is_up.set()
            await server.serve()

    thread = Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    try:
        if not is_up.wait(_START_SECONDS):
            raise LaunchError(f"port {hosts.bidder_port} or {hosts.sites_port} is taken")
        yield
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Pass what comes on a connection to a port of this machine, and back."""
    with contextlib.suppress(OSError):
        there, back = await asyncio.open_connection(_LOOPBACK, port)
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            back.close()
    writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()
