"""A ledger in memory and one on a server, each with its replicas' books, that are asked the same."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rtb.events import STREAM
from rtb.events.stream import StreamEntry
from rtb.ledger import Balance, Grant, LeaseBook, Ledger, MemoryLedger, Reservation, ValkeyLedger
from rtb.settlement.notice_tokens import BidRef, Kind
from tests.conftest import Valkey

REPLICAS = (0, 1)
LEASE_SECONDS, NOTICE_TTL, SHARE = 5.0, 20.0, 0.3

Work = Coroutine[Any, Any, Any]


@dataclass
class World:
    """A ledger and its replicas' books.

    Attributes:
        loop: to wait in; none where nothing waits.
        numbers: for leases.
    """

    ledger: Ledger
    loop: asyncio.AbstractEventLoop | None = None
    books: dict[int, LeaseBook] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self, work: Work) -> Any:
        """Return the outcome of some work."""
        if self.loop is not None:
            return self.loop.run_until_complete(work)
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("it waits for something")

    def run_all(self, works: Sequence[Work]) -> list[Any]:
        """Return the outcomes of several works, in flight at once where there is something to wait for."""
        return [self.run(work) for work in works] if self.loop is None else self.run(_gathered(works))


class Checked(MemoryLedger):
    """Holds every grant to what is promised, whoever asks.

    Args:
        promised: what a grant should give where a campaign stands so.
    """

    def __init__(self, promised: Callable[[Grant, Balance], int]) -> None:
        super().__init__()
        self._promised = promised

    def forget(self) -> None:
        """Lose everything."""
        super().__init__()

    async def lease(self, grants: Sequence[Grant]) -> list[int]:
        """See `Ledger.lease`."""
        return [await self._one(grant) for grant in grants]

    async def _one(self, grant: Grant) -> int:
        (before,) = await self.balances([grant.campaign])
        promised = self._promised(grant, before)
        assert await super().lease([grant]) == [promised]
        return promised


class Worlds:
    """Both worlds.

    Args:
        valkey: a server, whose data is lost.
        loop: to run in what the server is asked.
        clock: of the replicas.
        promised: see `Checked`.
    """

    def __init__(
        self,
        valkey: Valkey,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        promised: Callable[[Grant, Balance], int],
    ) -> None:
        valkey.flush()
        self._client: Any = valkey.client()
        self._clock = clock
        self._ledger = Checked(promised)
        self.memory = World(self._ledger)
        # One round trip at a time, so that what is asked at once is answered in the order it was asked.
        self.valkey = World(ValkeyLedger(self._client, in_flight=1), loop)
        self.valkey.run_all(list(_strangers(self.valkey.ledger)))
        self.neighbour = ValkeyLedger(self._client)
        """The server's ledger as another Router has it, with connections of its own."""

    @property
    def both(self) -> tuple[World, World]:
        """In memory, on the server."""
        return self.memory, self.valkey

    def start(self, replica: int, wanted: Sequence[int]) -> None:
        """Start a replica that bids for these campaigns; the one before it, if any, is gone."""
        for world in self.both:
            world.books[replica] = LeaseBook(
                world.ledger,
                seconds=LEASE_SECONDS,
                share=SHARE,
                notice_ttl=NOTICE_TTL,
                clock=self._clock,
                new_number=world.numbers.__next__,
            )
            world.books[replica].keep_leased({*wanted})

    def on_ledgers(self, operation: str, *arguments: Any) -> Any:
        """Return what both ledgers answered."""
        memory, valkey = (world.run(getattr(world.ledger, operation)(*arguments)) for world in self.both)
        assert memory == valkey
        return memory

    def on_books(self, replica: int, operation: str) -> None:
        """Let a replica do something with its leases."""
        for world in self.both:
            world.run(getattr(world.books[replica], operation)())

    def reserve(self, replica: int, campaign: int, ceiling: int, ttl: float) -> Reservation | None:
        """Return what a replica holds for a bid."""
        memory, valkey = (world.books[replica].reserve(campaign, ceiling, ttl) for world in self.both)
        assert memory == valkey
        return memory

    def events(self) -> list[StreamEntry]:
        """Return what the server's ledger recorded."""
        rows = self.valkey.run(self._client.xrange(STREAM))
        return [StreamEntry(id.decode(), fields) for id, fields in rows]

    def forget(self) -> None:
        """Both ledgers lose everything."""
        self._ledger.forget()
        self.valkey.run(self._client.flushall())

    def close(self) -> None:
        """Close connections."""
        self.valkey.run(self._client.aclose())


def _strangers(ledger: Ledger) -> Iterator[Work]:
    """Notices that nothing comes of: the server knows their scripts then, and runs them in turn."""
    nobody = BidRef(0, 0, 0, 0, 0, 0)
    yield ledger.settle(nobody, Kind.BILL, 0, 0.0)
    yield ledger.release(nobody, 0.0)
    yield ledger.count(nobody, Kind.WIN, 0.0)


async def _gathered(works: Sequence[Work]) -> list[Any]:
    return await asyncio.gather(*works)
