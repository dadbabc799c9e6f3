"""A server behind a bad line: what is asked arrives and is done, but its answer may not come back."""

from __future__ import annotations

import asyncio
from types import TracebackType

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.conftest import Valkey


class LossyLine:
    """Between clients and a server.

    Attributes:
        lose: answers to scripts still to be lost; with each the connection breaks.
        cut: whether nothing gets through at all.
    """

    def __init__(self, server: Valkey) -> None:
        self._target = server.port
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose = 0
        self.cut = False

    def client(self, retries: int = 1) -> aioredis.Redis:
        """Build a client that retries by itself, as the platform's does."""
        return aioredis.Redis(port=self._port, socket_timeout=10.0, retry=Retry(NoBackoff(), retries))

    async def __aenter__(self) -> LossyLine:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self.cut:
                await self._carry(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        is_losing = False

        async def ask() -> None:
            nonlocal is_losing
            while (request := await reader.read(65_536)) and not self.cut:
                if b"EVALSHA" in request and self.lose:
                    self.lose -= 1
                    is_losing = True
                to_server.write(request)

        async def answer() -> None:
            while (answer := await from_server.read(65_536)) and not is_losing and not self.cut:
                writer.write(answer)

        both = [asyncio.ensure_future(ask()), asyncio.ensure_future(answer())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in both:
                pump.cancel()
            to_server.close()
