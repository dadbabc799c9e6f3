"""Bodies come in here: within a size and a time, and no more half-sent ones at once than memory is set aside for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

SECONDS = 5.0
"""From the headers to the end of the body; what an exchange sends is there within milliseconds."""

MOST_WAITING = 16_000_000
"""Bytes of bodies that are not whole yet, of all callers together. One that comes in one piece never waits."""


class SlowBody(Exception):
    """The body was not there in time."""


class LargeBody(Exception):
    """The body is larger than allowed."""


class Crowded(Exception):
    """Too much is half-sent already."""


class _Pieces:
    """What is there of one body."""

    waiting: ClassVar[int] = 0
    """Bytes of all of them in this process."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> None:
        if _Pieces.waiting + len(chunk) > MOST_WAITING:
            raise Crowded(f"more than {MOST_WAITING} bytes of bodies are not whole yet")
        self.chunks.append(chunk)
        self.size += len(chunk)
        _Pieces.waiting += len(chunk)

    def drop(self) -> None:
        """Forget what is there."""
        _Pieces.waiting -= sum(map(len, self.chunks))
        self.chunks.clear()


async def read_body(receive: Receive, most: int) -> bytes:
    """A body. One that is too large is read to its end all the same, so that its connection can be used again.

    Args:
        receive: of the ASGI application.
        most: bytes allowed.

    Raises:
        SlowBody: it was not there within `SECONDS`: its connection is to be closed.
        LargeBody: it has more bytes.
        Crowded: too many others are half-sent: its connection is to be closed.
    """
    pieces = _Pieces()
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                message = await receive()
                chunk: bytes = message.get("body", b"")
                if not message.get("more_body"):
                    break
                if pieces.size + len(chunk) <= most:
                    pieces.add(chunk)
                else:
                    pieces.drop()
                    pieces.size += len(chunk)
        if pieces.size + len(chunk) > most:
            raise LargeBody(f"the body is over {most} bytes")
        return b"".join((*pieces.chunks, chunk)) if pieces.chunks else chunk
    except TimeoutError as error:
        raise SlowBody(f"the body was not there after {SECONDS:g} s") from error
    finally:
        pieces.drop()
