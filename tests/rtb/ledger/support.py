"""Ledgers under test: each kind, watched after every step; and a server that may die under them."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from rtb.ledger import Balance, Grant, Ledger, MemoryLedger, ValkeyLedger
from rtb.ledger.embedded import EmbeddedServer
from rtb.settlement.notice_tokens import BidRef
from tests.conftest import Valkey

NOW = 1_800_000_000.0
EXPIRES = NOW + 100
CAMPAIGNS = (1, 2)

Ledgers = Callable[[], AbstractAsyncContextManager[Ledger]]


def assert_adds_up(balance: Balance) -> None:
    pots = (balance.available, balance.leased, balance.reserved, balance.spent)
    assert sum(pots) == balance.budget
    assert min(pots) >= 0


class Watched:
    """A ledger whose pots are added up after every operation."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            answer = await getattr(self._ledger, name)(*args, **options)
            for balance in await self._ledger.balances(CAMPAIGNS):
                assert_adds_up(balance)
            return answer

        return call


class Restartable:
    """A server that can be killed and started again on its file."""

    def __init__(self, port: int, folder: Path) -> None:
        self.at = Valkey(port)
        self._folder = folder
        self.start()

    def start(self) -> None:
        self.process = EmbeddedServer(self.at.port, self._folder)

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it is dead already
            os.kill(self.process.pid, signal.SIGKILL)
        while self.process.is_running:
            time.sleep(0.01)


@asynccontextmanager
async def memory_ledger() -> AsyncIterator[Any]:
    yield Watched(MemoryLedger())


def valkey_ledgers(valkey: Valkey) -> Ledgers:
    @asynccontextmanager
    async def make() -> AsyncIterator[Any]:
        async with valkey.client() as client:
            yield Watched(ValkeyLedger(client))

    return make


def with_ledger(body: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a test of the fixture `ledgers` from an async one whose first argument is an open ledger."""

    def test(ledgers: Ledgers, **arguments: Any) -> None:
        async def main() -> None:
            async with ledgers() as ledger:
                await body(ledger, **arguments)

        asyncio.run(main())

    own = inspect.Parameter("ledgers", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rest = list(inspect.signature(body).parameters.values())[1:]
    test.__signature__ = inspect.Signature([own, *rest])  # type: ignore[attr-defined]
    test.__name__ = body.__name__
    return test


def bid(sequence: int = 1, ceiling: int = 100, lease: int = 7, campaign: int = 1) -> BidRef:
    return BidRef(lease, sequence, campaign, 0, ceiling, int(NOW) + 60)


async def balance(ledger: Ledger, campaign: int = 1) -> Balance:
    return (await ledger.balances([campaign]))[0]


async def pots(ledger: Ledger, campaign: int = 1) -> dict[str, int]:
    """Return the pots that are not empty."""
    row = (await balance(ledger, campaign))._asdict()
    return {name: row[name] for name in ("available", "leased", "reserved", "spent") if row[name]}


async def leased(ledger: Ledger, micros: int, *, budget: int = 1_000, lease: int = 7) -> None:
    """Open campaign 1 and lease some of its money."""
    await ledger.open(1, budget)
    assert await ledger.lease([Grant(lease, 1, micros, 0.0, EXPIRES)]) == [micros]
