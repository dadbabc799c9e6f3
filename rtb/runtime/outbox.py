"""Saying something once to a server that may have to be told twice.

Whoever gets no answer cannot know whether he was heard. So what is told goes in parcels under a sender's name and a
rising number: one that was not acknowledged is sent again as it was, and the script that takes it knows it again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

Parcel = TypeVar("Parcel")

_IS_NEW = """
-- True the first time a sender's parcel comes. They come by rising numbers, so the last one is all there is to know.
local function is_new(sender, number)
  local key = 'raybid:sender:' .. sender
  if tonumber(number) <= tonumber(redis.call('GET', key) or 0) then return false end
  redis.call('SET', key, number, 'EX', 86400) -- a day: longer than anybody waits for an answer
  return true
end
"""


class Stamp(NamedTuple):
    """What a parcel is known by.

    Attributes:
        sender: who sends it; no two have the same name.
        number: 1 for his first parcel, more for each later one.
    """

    sender: str
    number: int


def once(script: str) -> str:
    """A Lua script that can ask `is_new(sender, number)`, once in its run, before it writes anything."""
    return _IS_NEW + script


class Outbox(Generic[Parcel]):
    """Sends parcels one after the other, each until it is acknowledged.

    Args:
        deliver: takes a parcel to the server; must have no other effect when it raises.
    """

    def __init__(self, deliver: Callable[[Stamp, Parcel], Awaitable[object]]) -> None:
        self._deliver = deliver
        self._sender = secrets.token_hex(8)
        self._number = 0
        self._unanswered: Parcel | None = None
        self._sending = asyncio.Lock()

    async def send(self, take: Callable[[], Parcel | None]) -> None:
        """Deliver what is still unanswered, then what `take` hands over, if anything.

        What it handed over is the outbox's from then on: after an error, which comes through as it is, or a
        cancellation, the next call goes on with it.
        """
        async with self._sending:
            await self._try()
            self._unanswered = take()
            self._number += 1
            await self._try()

    async def _try(self) -> None:
        if self._unanswered is not None:
            await self._deliver(Stamp(self._sender, self._number), self._unanswered)
            self._unanswered = None
