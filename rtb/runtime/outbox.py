"""Exactly-once delivery to a server over calls that may have to be repeated.

A sender that gets no answer cannot know whether it was heard. So parcels carry a sender's name and a rising number: one
that was not acknowledged is sent again unchanged, and the script that receives it recognises it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

Parcel = TypeVar("Parcel")

_IS_NEW = """
-- True the first time a sender's parcel arrives. Numbers rise, so the last one is all that must be remembered.
local function is_new(sender, number)
  local key = 'raybid:sender:' .. sender
  if tonumber(number) <= tonumber(redis.call('GET', key) or 0) then return false end
  redis.call('SET', key, number, 'EX', 86400) -- a day: longer than anybody waits for an answer
  return true
end
"""


class Stamp(NamedTuple):
    """The identity of a parcel.

    Attributes:
        sender: unique name of the sender.
        number: 1 for its first parcel, more for each later one.
    """

    sender: str
    number: int


def once(script: str) -> str:
    """Return a Lua script that may call `is_new(sender, number)` once, before it writes anything."""
    return _IS_NEW + script


class Outbox(Generic[Parcel]):
    """A queue of parcels sent one after the other, each until it is acknowledged.

    Args:
        deliver: function that sends a parcel; must have no other effect when it raises.
    """

    def __init__(self, deliver: Callable[[Stamp, Parcel], Awaitable[object]]) -> None:
        self._deliver = deliver
        self._sender = secrets.token_hex(8)
        self._number = 0
        self._unanswered: Parcel | None = None
        self._sending = asyncio.Lock()

    async def send(self, take: Callable[[], Parcel | None]) -> None:
        """Deliver the unacknowledged parcel, then the one that `take` returns, if any.

        The outbox owns the parcel from then on: after an error, which is passed on as it is, or a cancellation, the
        next call resumes with it.
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
