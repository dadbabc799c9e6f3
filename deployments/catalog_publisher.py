"""Publishing the catalog: the ledger gets each change of terms first, then the replicas get the campaigns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from deployments.quarantine import QuarantineKeeper
from deployments.wiring import logger
from rtb.catalog import Catalog, CatalogEntry
from rtb.ledger import Balance, Ledger, Terms
from rtb.pacing import snapshot
from rtb.pacing.terms import lost_campaigns, terms_of
from rtb.pacing.vetting import Vetter
from rtb.targeting.listing import Listing

Publish = Callable[[str, str, bytes], Awaitable[None]]
"""Publishes a snapshot: its kind, its key, the snapshot."""


class CatalogPublisher:
    """Opens changed campaigns in the ledger, and publishes those that are active.

    Attributes:
        entries: the campaigns that can be bid from, as they were last published.
    """

    def __init__(self, catalog: Catalog, ledger: Ledger, publish: Publish, quarantine: QuarantineKeeper) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._publish = publish
        self._quarantine = quarantine
        self._vetter = Vetter()
        self._terms: dict[int, Terms] = {}
        self._revision: int | None = None
        self.entries: list[CatalogEntry] = []

    @property
    def active(self) -> set[int] | None:
        """Numbers of the campaigns published last; `None` before the first time."""
        if self._revision is None:
            return None
        return {entry.number for entry in self.entries if entry.campaign.status == "active"}

    def forget(self) -> None:
        """Forget what was opened and published, since the ledger may be another server."""
        self._revision, self._terms = None, {}

    async def refresh(self) -> None:
        """Open and publish what changed since the last call.

        Raises:
            LedgerError, RedisError, CatalogError: a part is unavailable; the next call goes on.
        """
        revision = await asyncio.to_thread(self._catalog.revision)  # before the entries, so that no change is missed
        if revision == self._revision:
            return
        entries = await asyncio.to_thread(self._sound_entries)
        balances = await self._ledger.balances([entry.number for entry in entries])
        missing = {entry.number for entry in await self._lost(entries, balances)}
        terms = await self._open(entries, balances, missing)
        opened = [entry.number for entry in entries if not entry.opened and entry.number not in missing]
        await asyncio.to_thread(self._catalog.mark_opened, opened)  # before they are published, so before they bid
        active = [Listing(entry.number, entry.campaign) for entry in entries if entry.campaign.status == "active"]
        await self._publish("catalog", snapshot.CATALOG, snapshot.encode_catalog(active))
        self._terms = terms
        self.entries, self._revision = [entry._replace(opened=True) for entry in entries], revision
        logger.info(f"catalog revision {revision}: {len(active)} active campaigns of {len(entries)}")

    async def _open(
        self, entries: Sequence[CatalogEntry], balances: Sequence[Balance], missing: set[int]
    ) -> dict[int, Terms]:
        """Open the campaigns whose terms changed or which the ledger lost: an edit concerns few of them."""
        terms = {entry.number: terms_of(entry) for entry in entries if entry.number not in missing}
        held = {entry.number: own.budget - own.moved for entry, own in zip(entries, balances, strict=True)}
        news = {n: one for n, one in terms.items() if one != self._terms.get(n) or one.budget_micros != held[n]}
        await self._ledger.open_all(news)
        return terms

    def _sound_entries(self) -> list[CatalogEntry]:
        """Return the campaigns that can be used; the others go to the quarantine and hold up nobody."""
        loaded = self._catalog.load()
        sound, faults = self._vetter.vet(loaded.entries, time.time())
        self._quarantine.replace("catalog", [*loaded.faults, *faults])
        return sound

    async def _lost(self, entries: Sequence[CatalogEntry], balances: Sequence[Balance]) -> list[CatalogEntry]:
        """Return campaigns that must not be opened, because the ledger lost what they spent."""
        if all(balance.budget and not balance.behind for balance in balances):
            return []
        return lost_campaigns(entries, balances, await asyncio.to_thread(self._catalog.spent))
