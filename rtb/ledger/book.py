"""A replica's leases: bids are paid from here without a round trip, and money is fetched in the background."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from rtb.ledger.protocol import Grant, Ledger, Reservation

_EXPIRY_SLACK = 5.0  # seconds a lease outlives the last token signed against it, for clocks that differ


@dataclass(slots=True)
class _Lease:
    number: int
    left: int
    until: float
    sequence: int = 0
    ever_reserved: int = 0


class LeaseBook:
    """Reserves from leased money. `reserve` is synchronous and never waits; `maintain` runs beside it.

    Args:
        ledger: where the money is.
        seconds: how long to bid from one lease.
        share: largest part of what a campaign has available that one lease takes.
        notice_ttl: seconds a bid's notices are honoured; the lease is kept that much longer.
        clock: Unix time.
        new_number: makes lease numbers; random, so that replicas never agree on one.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        seconds: float,
        share: float,
        notice_ttl: float,
        clock: Callable[[], float] = time.time,
        new_number: Callable[[], int] = lambda: secrets.randbits(63),
    ) -> None:
        self._ledger = ledger
        self._seconds = seconds
        self._share = share
        self._notice_ttl = notice_ttl
        self._clock = clock
        self._new_number = new_number
        self._open: dict[int, _Lease] = {}
        self._kept: set[int] = set()
        self._wanted: dict[int, int] = {}  # campaign -> micros it could not pay
        self._closing: list[tuple[int, int]] = []

    def reserve(self, campaign: int, ceiling_micros: int) -> Reservation | None:
        """Hold a bid's money; `None` when the campaign has no lease with that much left (one is then asked for)."""
        lease = self._open.get(campaign)
        now = self._clock()
        if lease is None or lease.left < ceiling_micros or lease.until <= now:
            self._wanted[campaign] = max(ceiling_micros, self._wanted.get(campaign, 0))
            return None
        lease.left -= ceiling_micros
        lease.ever_reserved += ceiling_micros
        lease.sequence += 1
        return Reservation(lease.number, lease.sequence, int(now + self._notice_ttl))

    def want(self, campaigns: set[int]) -> None:
        """Hold leases for these campaigns, and for no others that do not bid, so that no first bid finds none."""
        self._kept = campaigns
        for campaign in campaigns - self._open.keys():
            self._wanted.setdefault(campaign, 0)

    async def maintain(self) -> None:
        """Close leases that ended, and fetch those asked for. Call it a few times a second.

        A new lease takes the place of the old one only when it is there, so bidding does not pause in between.

        Raises:
            LedgerError: the ledger did not answer; what was to be done is tried again at the next call.
        """
        now = self._clock()
        self._retire(now)
        await self._close()
        await self._fetch(now)
        await self._close()

    async def shutdown(self) -> None:
        """Close everything, so that unused money is available to others at once.

        Raises:
            LedgerError: the ledger did not answer; calling again tries again.
        """
        for campaign in list(self._open):
            self._set_aside(campaign)
        await self._close()

    def _retire(self, now: float) -> None:
        """Ask anew for leases in their last quarter that are used or kept, and set aside those past their time."""
        for campaign, lease in list(self._open.items()):
            ending = lease.until - now < self._seconds / 4
            if ending and (lease.ever_reserved or campaign in self._kept):
                self._wanted.setdefault(campaign, 0)
            if lease.until <= now:
                self._set_aside(campaign)

    def _set_aside(self, campaign: int) -> None:
        """Bid no more from a campaign's lease; it is closed at the next call of `_close`."""
        lease = self._open.pop(campaign, None)
        if lease is not None:
            self._closing.append((lease.number, lease.ever_reserved))

    async def _close(self) -> None:
        closing, self._closing = self._closing, []
        if not closing:
            return
        try:
            await self._ledger.close(closing)
        except BaseException:  # cancelled as well: closing a lease twice does no harm
            self._closing = closing + self._closing
            raise

    async def _fetch(self, now: float) -> None:
        wanted, self._wanted = self._wanted, {}
        until = now + self._seconds
        expires = until + self._notice_ttl + _EXPIRY_SLACK
        grants = [Grant(self._new_number(), c, least, self._share, expires) for c, least in sorted(wanted.items())]
        if not grants:
            return
        try:
            amounts = await self._ledger.lease(grants)
        except BaseException:
            for campaign, least in wanted.items():
                self._wanted[campaign] = max(least, self._wanted.get(campaign, 0))
            raise
        for grant, amount in zip(grants, amounts, strict=True):
            old = self._open.get(grant.campaign)
            if amount > 0 or (old is not None and old.left < grant.least_micros):
                self._set_aside(grant.campaign)  # what a dry one has left may be enough for another replica's bid
            if amount > 0:
                self._open[grant.campaign] = _Lease(grant.lease, amount, until)
