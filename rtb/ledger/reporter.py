"""Usage on its way to the ledger: summed while it is unavailable, and counted once however often it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from rtb.ledger.protocol import Ledger, Usage
from rtb.runtime.outbox import Outbox, Stamp

_AT_ONCE = 256  # campaigns in one parcel, so that no notice waits long for the script that adds them


class UsageReporter:
    """The usage reports of one replica.

    Args:
        ledger: receiver of the reports.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._sums: dict[int, Usage] = {}
        self._outbox: Outbox[Sequence[Usage]] = Outbox(self._deliver)

    def add(self, usages: Iterable[Usage]) -> None:
        """Add usage to the next report."""
        for usage in usages:
            before = self._sums.get(usage.campaign, Usage(usage.campaign, 0, 0, 0.0))
            self._sums[usage.campaign] = Usage(
                usage.campaign,
                before.opportunities + usage.opportunities,
                before.bids + usage.bids,
                before.probability + usage.probability,
                before.levels + usage.levels,
            )

    async def send(self) -> None:
        """Report the usage added since the last call.

        Raises:
            LedgerError: the ledger did not answer; the next call reports it again.
        """
        await self._outbox.send(self._take)
        while self._sums:
            await self._outbox.send(self._take)

    def _take(self) -> Sequence[Usage] | None:
        return [self._sums.pop(campaign) for campaign in [*islice(self._sums, _AT_ONCE)]] or None

    async def _deliver(self, stamp: Stamp, usages: Sequence[Usage]) -> None:
        await self._ledger.report(usages, stamp)
