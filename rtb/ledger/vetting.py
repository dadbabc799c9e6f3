"""Vetting of a restarted server: replicas use it only once its figures are verified.

A restarted server may have loaded an older file, and a replacement may lack the last writes. So the process that
verifies the figures (`Ledger.verify`) stores the server's run id in it, and connections to a server with another run id
are
refused: to its callers the ledger is unavailable until it is vetted.
"""

from __future__ import annotations

import re
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import ConnectionError as AwayError
from redis.exceptions import ResponseError

VETTED = "raybid:ledger:vetted"
"""Key of the run id of the server whose figures are verified."""

_UNTOLD = b"-"
_RUN = re.compile(rb"^run_id:(\S+)", re.M)


async def refuse_unvetted(connection: Any) -> None:
    """Connect to a server, and refuse one whose figures were not verified since it started.

    For a client's `redis_connect_func`. A managed server without a run id is accepted.

    Raises:
        redis.exceptions.ConnectionError: it is not vetted yet.
    """
    await connection.on_connect()
    found = _RUN.search(await _asked(connection, "INFO", "server"))
    if found and await _asked(connection, "GET", VETTED) != found[1]:
        raise AwayError("the ledger's server was restarted, and its figures are not verified yet")


async def _asked(connection: Any, *command: str) -> bytes:
    await connection.send_command(*command)
    try:
        return bytes(await connection.read_response() or b"")
    except ResponseError:
        return b""


class Vetting:
    """The verifying side of vetting.

    Args:
        client: client of the server that also connects to an unvetted one.
    """

    def __init__(self, client: aioredis.Redis) -> None:
        self._client: Any = client
        self._run = _UNTOLD

    async def is_due(self) -> bool:
        """Return whether this server is unvetted: restarted, wiped, rolled back, or replaced.

        Raises:
            RedisError: it does not answer.
        """
        try:
            self._run = str((await self._client.info("server")).get("run_id", "")).encode() or _UNTOLD
        except ResponseError:
            self._run = _UNTOLD
        return bool(await self._client.get(VETTED) != self._run)

    async def passed(self) -> None:
        """Let replicas use the server that `is_due` asked."""
        await self._client.set(VETTED, self._run)
