"""The Controller's tick: look at the money, divide and move it, publish how fast each campaign may spend."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from deployments.catalog_publisher import CatalogPublisher, Publish
from deployments.challenge import ExperimentFeed
from deployments.event_keeper import EventKeeper
from deployments.ledger_guard import LedgerGuard
from deployments.models import ModelPublisher
from deployments.portfolios import Portfolios
from deployments.quarantine import QuarantineKeeper
from portfolio.steering import steered
from rtb.experiment.arms import Arms, DividedCampaigns
from rtb.ledger import Ledger
from rtb.money.accounts import campaign_of
from rtb.pacing import snapshot
from rtb.pacing.pacemaker import Pacemaker
from rtb.pacing.terms import lost_campaigns, over_budget, terms_of


@dataclass(eq=False)
class PacingLoop:
    """Paces all campaigns, once a tick."""

    _ledger: Ledger
    _guard: LedgerGuard
    _catalog: CatalogPublisher
    _experiment: ExperimentFeed
    _portfolios: Portfolios
    _events: EventKeeper
    _publish: Publish
    _quarantine: QuarantineKeeper
    _models: ModelPublisher

    def __post_init__(self) -> None:
        self._arms = Arms(self._ledger)
        self._pacemaker = Pacemaker()

    async def tick(self) -> None:
        """Look at the money, and publish what replicas bid by.

        Raises:
            LedgerError, RedisError, CatalogError, OSError: a part is unavailable; the next call goes on.
        """
        if await self._guard.look():  # what this server was told and published is not to be relied on
            self._catalog.forget()
        await self._catalog.refresh()
        now, entries = time.time(), self._catalog.entries
        await self._ledger.reclaim(now)
        balances = await self._ledger.balances([entry.number for entry in entries])
        await self._guard.tell(lost_campaigns(entries, balances, {}))
        await self._experiment.pull()
        divided = await self._arms.keep(entries, balances, self._experiment.experiment)
        cut = await self._lower_budgets(divided)
        factors = await self._portfolios.keep(divided.entries, divided.whole, now)
        table = steered(self._pacemaker.tick(*self._arms.to_pace(divided), now, self._events.markets), factors)
        table["open"] &= ~np.isin(campaign_of(table["number"]), cut)
        await self._publish("pacing", snapshot.PACING, snapshot.encode_pacing(table))
        await self._guard.passed()
        self._quarantine.replace("portfolios", self._portfolios.faults)
        self._quarantine.replace("models", self._models.faults)
        self._quarantine.replace("events", self._events.faults)
        await self._quarantine.publish()

    async def _lower_budgets(self, divided: DividedCampaigns) -> list[int]:
        """Go on lowering budgets that were cut below what is promised: that comes back now and then, or is charged.

        Only lowering: a ledger that says less than is of record may have been lost, with all it knew of what was spent.

        Returns:
            Campaigns that have promised more than their budget: they do not bid, whatever money is leased.
        """
        cut = []
        for entry, own, whole in zip(divided.entries, divided.own, divided.whole, strict=True):
            if over_budget(entry, whole):
                cut.append(entry.number)
                if own.available > 0:
                    await self._ledger.open(entry.number, terms_of(entry))
        return cut
