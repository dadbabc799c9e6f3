"""The Controller's check of the ledger: it must know at least the spend that the catalog knows.

The ledger knows of each charge first, and the catalog by way of the events. So a ledger that knows less was rolled back
or lost, and would let the same money be spent again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec
import redis.asyncio as aioredis

from deployments.wiring import logger
from rtb.catalog import Catalog, CatalogEntry
from rtb.ledger import Floor, Ledger
from rtb.ledger.vetting import Vetting

BEHIND = "raybid:ledger:behind"
"""Key of the campaigns whose figures are to be restored: see `Behind`."""

_LOOK_SECONDS = 5.0
_REST = 10.0
"""A look over the spend of thousands of campaigns takes a tenth of the time at most."""
_MOST_NAMED = 20


class Behind(msgspec.Struct, frozen=True):
    """Campaigns that do not bid because the ledger lost figures of theirs.

    Attributes:
        count: how many.
        campaigns: ids of the first of them.
    """

    count: int
    campaigns: list[str]


class LedgerGuard:
    """Checks the ledger against the catalog, and lets replicas use a server that passed."""

    def __init__(self, client: aioredis.Redis, ledger: Ledger, catalog: Catalog) -> None:
        self._client = client
        self._vetting = Vetting(client)
        self._ledger = ledger
        self._catalog = catalog
        self._next_look = 0.0
        self._is_new = False
        self._told: Behind | None = None

    async def look(self) -> bool:
        """Stop campaigns of which the ledger knows too little; return whether the server was not vetted before.

        Raises:
            LedgerError, RedisError, CatalogError: a part is unavailable; the server is not vetted then.
        """
        self._is_new = await self._vetting.is_due()
        began = time.monotonic()
        if self._is_new or began >= self._next_look:
            floors = await asyncio.to_thread(self._floors)  # before the ledger is asked, which only ever knows more
            await self._ledger.verify(floors)
            ended = time.monotonic()
            self._next_look = ended + max(_LOOK_SECONDS, _REST * (ended - began))
        return self._is_new

    def _floors(self) -> list[Floor]:
        given, spent = self._catalog.portfolios.given(), self._catalog.spent()
        return [Floor(number, spent.get(number, 0), given.get(number, 0)) for number in sorted({*spent, *given})]

    async def tell(self, missing: Sequence[CatalogEntry]) -> None:
        """Publish and log which campaigns the ledger lost figures of, when that changed."""
        names = [entry.campaign.id for entry in missing]
        behind = Behind(len(names), names[:_MOST_NAMED])
        if behind == self._told and not self._is_new:
            return
        if names and behind != self._told:
            logger.error(
                f"the ledger has nothing of {len(names)} campaigns that it had, or less than was spent: its disk was "
                "lost or rolled back, or it is another server. They do not bid until they are restored: stop the "
                "platform and run `python -m pipelines.rebuild_ledger`, with --force when others spent since "
                f"({', '.join(behind.campaigns)})"
            )
        await self._client.set(BEHIND, msgspec.json.encode(behind))
        self._told = behind

    async def passed(self) -> None:
        """Let replicas use the server."""
        if self._is_new:
            await self._vetting.passed()


async def behind(client: aioredis.Redis) -> Behind:
    """Return the campaigns of which the ledger lost figures, as the Controller last published them.

    Raises:
        RedisError: the server does not answer.
    """
    told = await client.get(BEHIND)
    return msgspec.json.decode(told, type=Behind) if told else Behind(0, [])
