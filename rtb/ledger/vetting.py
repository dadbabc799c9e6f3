"""A server is used by replicas only once somebody has seen that what is in it is what was in it.

A server that was started again may have come up with an older file, and one that took the place of another may lack its
last writes. So whoever verifies the figures (`Ledger.verify`) leaves the server's run id in it, and a connection to a
server with another one is refused: to its callers the ledger is away until it is vetted.
"""

from __future__ import annotations

import re
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import ConnectionError as AwayError
from redis.exceptions import ResponseError

VETTED = "raybid:ledger:vetted"
"""Run id of the server whose figures were seen to be whole."""

_UNTOLD = b"-"
_RUN = re.compile(rb"^run_id:(\S+)", re.M)


async def refuse_unvetted(connection: Any) -> None:
    """Greet a server, and refuse one whose figures nobody has vetted since it started.

    For a client's `redis_connect_func`. A managed server that does not tell its run id is taken as it is.

    Raises:
        redis.exceptions.ConnectionError: it is not vetted yet.
    """
    await connection.on_connect()
    found = _RUN.search(await _asked(connection, "INFO", "server"))
    if found and await _asked(connection, "GET", VETTED) != found[1]:
        raise AwayError("the ledger's server was started anew, and its figures are not verified yet")


async def _asked(connection: Any, *command: str) -> bytes:
    await connection.send_command(*command)
    try:
        return bytes(await connection.read_response() or b"")
    except ResponseError:
        return b""


class Vetting:
    """The side of whoever verifies the figures.

    Args:
        client: of the server, which refuses nothing.
    """

    def __init__(self, client: aioredis.Redis) -> None:
        self._client: Any = client
        self._run = _UNTOLD

    async def is_due(self) -> bool:
        """Whether this server was not vetted: it was started again, wiped, rolled back, or replaced.

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
