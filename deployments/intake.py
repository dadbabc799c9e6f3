"""Reading request bodies: bounded in size, in time, and in memory for half-sent ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

SECONDS = 5.0
"""Time from the headers to the end of the body; an exchange's takes milliseconds."""

MOST_WAITING = 16_000_000
"""Most bytes of half-sent bodies, of all callers together. A body that comes in one piece does not count."""


class SlowBody(Exception):
    """A body that did not come in time."""


class LargeBody(Exception):
    """A body that is larger than allowed."""


class Crowded(Exception):
    """A body for which half-sent ones leave no memory."""


class _Pieces:
    """The received pieces of one body."""

    waiting: ClassVar[int] = 0
    """Bytes of all half-sent bodies in this process."""

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
        """Drop the pieces."""
        _Pieces.waiting -= sum(map(len, self.chunks))
        self.chunks.clear()


async def read_body(receive: Receive, most: int) -> bytes:
    """Read a body. Read one that is too large to its end, too, so that its connection can be used again.

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
