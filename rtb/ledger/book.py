"""A replica's leases: bids reserve from them without a round trip, and they are renewed in the background."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple

from rtb.ledger.burn import Burn
from rtb.ledger.protocol import ANYBODY, CALLER_HOLDS_ENOUGH, Closing, Day, Grant, Ledger, Reservation
from rtb.settlement.notice_tokens import TEST_LEASE

_EXPIRY_SLACK = 5.0  # seconds a lease outlives the last token signed against it, for clocks that differ

_LEASES_AT_ONCE = 64  # requested in one call, so that urgent ones never wait behind thousands that are not

_NO_DAY = Day()

_Key = tuple[int, int]
"""A campaign, and the caller whose bids a lease pays: `ANYBODY` for one kept ready for the first caller."""


class _Wanted(NamedTuple):
    """A request for a lease: bids that no lease could pay, micros; zeros when it is requested ahead of any."""

    largest: int = 0
    smallest: int = 0

    def joined(self, other: _Wanted) -> _Wanted:
        """Return the request for both."""
        smallest = min(self.smallest, other.smallest) if self.largest and other.largest else 0
        return _Wanted(max(self.largest, other.largest), smallest or self.smallest or other.smallest)


@dataclass(slots=True)
class _Lease:
    number: int
    granted: int
    left: int
    until: float
    burn: Burn
    sequence: int = 0
    ever_reserved: int = 0
    last_expires: int = 0
    caller: int = ANYBODY

    @property
    def is_dry(self) -> bool:
        """Whether more than half is spent, so that the next lease should be requested."""
        return self.left < self.granted / 2

    def closing(self) -> Closing:
        """Return its closing for the ledger, which holds its money until no token of its bids is honoured any more."""
        expires = self.last_expires + _EXPIRY_SLACK if self.sequence else 0.0
        return Closing(self.number, self.ever_reserved, expires, self.caller)


class LeaseCounts(NamedTuple):
    """The results of lease requests.

    Attributes:
        granted: number of granted leases.
        refused: number refused for want of money.
        held: number refused because the caller's unpaid bids hold as much as they may.
        micros: amount granted.
    """

    granted: int = 0
    refused: int = 0
    held: int = 0
    micros: int = 0

    def plus(self, answer: int) -> LeaseCounts:
        """Return the counts with the ledger's answer to one more request."""
        if answer == CALLER_HOLDS_ENOUGH:
            return self._replace(held=self.held + 1)
        if answer <= 0:
            return self._replace(refused=self.refused + 1)
        return self._replace(granted=self.granted + 1, micros=self.micros + answer)


class LeaseBook:
    """A replica's leases. `reserve` is synchronous and never waits; `maintain` runs beside it.

    A lease is sized by the campaign's recent reservations here (`Burn`), so that leased money that is not bid stays
    small, and replicas share a budget by what each can use. An idle lease is renewed ever more rarely: of ten thousand
    campaigns most are kept leased, and few bid. The work depends on the campaigns that bid, not on those kept leased.

    Each caller's bids are paid from leases of its own, so that the ledger can bound what one that never pays holds. A
    lease kept ready goes to the first caller that bids.

    Args:
        ledger: ledger of the money.
        seconds: how long to bid from one lease, from its first bid on; an idle one may last longer.
        share: largest part of a campaign's available money that one lease takes.
        notice_ttl: most seconds that a bid's notices are usually honoured; an unclosed lease expires that much later.
        longest_ttl: the same for bids on scheduled screens: a lease that paid for one is closed to expire after its
            last notice. If nobody closed it, such a bid is paid from what is available.
        clock: Unix time.
        caller_share: largest part of a campaign's unspent money that one caller's unpaid bids may hold.
        new_number: function that makes lease numbers; random, so that no two replicas use the same.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        seconds: float,
        share: float,
        notice_ttl: float,
        longest_ttl: float = 0.0,
        caller_share: float = 1.0,
        clock: Callable[[], float] = time.time,
        new_number: Callable[[], int] = lambda: secrets.randbits(63),
    ) -> None:
        self._ledger = ledger
        self._seconds = seconds
        self._share = share
        self._notice_ttl = notice_ttl
        self._longest_ttl = max(notice_ttl, longest_ttl)
        self._caller_share = caller_share
        self._clock = clock
        self._new_number = new_number
        self._open: dict[_Key, _Lease] = {}
        self._kept: set[int] = set()
        self._wanted: dict[_Key, _Wanted] = {}  # for bids that came, or are about to
        self._barred: set[_Key] = set()  # callers that hold enough
        self._ahead: set[int] = set()  # for none yet
        self._closing: list[Closing] = []
        self._burns: dict[int, Burn] = {}
        self._burning: set[int] = set()  # campaigns with bids since they were last measured
        self._dry: set[_Key] = set()
        self._ends: list[tuple[float, _Key, int]] = []  # heap: when to check a lease, its key, its number
        self._measured_at = clock()
        self._days: Mapping[int, Day] = {}
        self._asked = LeaseCounts()

    def reserve(self, campaign: int, ceiling_micros: int, ttl: float = math.inf, caller: int = 0) -> Reservation | None:
        """Reserve a bid's money; return `None` where the caller's lease has too little left (one is then requested).

        Args:
            campaign: number of the campaign.
            ceiling_micros: most the bid can cost.
            ttl: seconds its notices are honoured, at most the book's `longest_ttl`; infinite: its `notice_ttl`.
            caller: number of the request's API key; 0: none.
        """
        key, now = (campaign, caller), self._clock()
        lease = self._open.get(key) or self._take_over(key)
        if lease is None or lease.left < ceiling_micros or lease.until <= now:
            self._want(key, _Wanted(ceiling_micros, ceiling_micros))
            self._touched(campaign).note(ceiling_micros)
            return None
        if not lease.sequence:
            self._begin(key, lease, now)
        lease.left -= ceiling_micros
        lease.ever_reserved += ceiling_micros
        lease.sequence += 1
        self._touched(campaign).spend(ceiling_micros)
        if lease.is_dry:
            self._dry.add(key)
        expires = self._expiry(now, ttl)
        lease.last_expires = max(lease.last_expires, expires)
        return Reservation(lease.number, lease.sequence, expires)

    def reserve_test(self, ttl: float) -> Reservation:
        """Return an identity for a bid on a test request: no money is reserved, and its notices settle nothing."""
        return Reservation(TEST_LEASE, secrets.randbits(32), self._expiry(self._clock(), ttl))

    def _expiry(self, now: float, ttl: float) -> int:
        """Return the Unix second after which a bid's notices are not honoured."""
        return int(now + (self._notice_ttl if math.isinf(ttl) else min(ttl, self._longest_ttl)))

    def keep_leased(self, campaigns: set[int]) -> None:
        """Keep leases for these campaigns, and of others only while they bid, so that a first bid finds a lease."""
        for campaign in self._kept - campaigns:
            self._ahead.discard(campaign)
            lease = self._open.get((campaign, ANYBODY))
            if lease is not None:
                self._shorten((campaign, ANYBODY), lease, self._clock())
        self._kept = campaigns
        self._ahead |= campaigns - {campaign for campaign, _ in self._open}

    def enter(self, days: Mapping[int, Day]) -> None:
        """Set the campaigns' current days, which grants name from now on."""
        self._days = days

    async def maintain(self) -> None:
        """Close leases that ended, and fetch those requested. Call it a few times a second.

        A lease is replaced only once the new one is granted, so that bidding does not pause in between.

        Raises:
            LedgerError: the ledger did not answer; the next call tries again.
        """
        now = self._clock()
        self._measure(now)
        self._retire(now)
        await self._close()
        await self._fetch()
        await self._close()

    def take_counts(self) -> LeaseCounts:
        """Return the results of lease requests since the last call."""
        taken, self._asked = self._asked, LeaseCounts()
        return taken

    async def shutdown(self) -> None:
        """Close all leases, so that unused money is available to others at once.

        Raises:
            LedgerError: the ledger did not answer; the next call tries again.
        """
        for key in list(self._open):
            self._set_aside(key)
        await self._close()

    def _take_over(self, key: _Key) -> _Lease | None:
        """Give the lease kept ready to a caller, unless its unpaid bids hold as much as they may."""
        ready = (key[0], ANYBODY)
        if ready not in self._open or key in self._barred:
            return None
        lease = self._open[key] = self._open.pop(ready)
        lease.caller = key[1]
        self._watch(key, lease)
        return lease

    def _want(self, key: _Key, wanted: _Wanted) -> None:
        before = self._wanted.get(key)
        self._wanted[key] = wanted if before is None else before.joined(wanted)

    def _touched(self, campaign: int) -> Burn:
        """Return the burn of a campaign that is about to bid, up to date as of the last measurement."""
        burn = self._burn(campaign)
        self._burning.add(campaign)
        return burn

    def _burn(self, campaign: int) -> Burn:
        burn = self._burns.get(campaign)
        if burn is None:
            burn = self._burns[campaign] = Burn(at=self._measured_at)
        elif burn.at < self._measured_at and campaign not in self._burning:
            burn.catch_up(self._measured_at, self._seconds)
        return burn

    def _measure(self, now: float) -> None:
        if now <= self._measured_at:
            return
        self._measured_at = now
        for campaign in self._burning:
            self._burns[campaign].catch_up(now, self._seconds)
        self._burning.clear()

    def _begin(self, key: _Key, lease: _Lease, now: float) -> None:
        """Shorten a lease to the usual length at its first bid."""
        lease.burn.patience = 1
        self._shorten(key, lease, now)

    def _shorten(self, key: _Key, lease: _Lease, now: float) -> None:
        if lease.until > now + self._seconds:
            lease.until = now + self._seconds
            self._watch(key, lease)

    def _watch(self, key: _Key, lease: _Lease) -> None:
        heappush(self._ends, (lease.until - self._seconds / 4, key, lease.number))

    def _retire(self, now: float) -> None:
        """Request successors of leases half spent, or about to end and still needed; set aside those past their end."""
        for key in self._dry:
            self._want(key, _Wanted())
        again = []
        while self._ends and self._ends[0][0] <= now:
            look = heappop(self._ends)
            key, lease = look[1], self._open.get(look[1])
            if lease is None or lease.number != look[2]:
                continue  # it was replaced
            if lease.until - now < self._seconds / 4:
                if lease.ever_reserved:
                    self._want(key, _Wanted())
                elif key[0] in self._kept:
                    self._ahead.add(key[0])
            if lease.until <= now:
                self._set_aside(key)
            else:
                again.append(look)
        for look in again:
            heappush(self._ends, look)

    def _set_aside(self, key: _Key) -> None:
        """Stop bidding from a lease; the next `_close` closes it."""
        lease = self._open.pop(key, None)
        self._dry.discard(key)
        if lease is not None:
            if not lease.ever_reserved:
                lease.burn.back_off(lease.granted)
            self._closing.append(lease.closing())

    async def _close(self) -> None:
        closing, self._closing = self._closing, []
        if not closing:
            return
        try:
            await self._ledger.close(closing)
        except BaseException:  # also on cancellation: closing a lease twice does no harm
            self._closing = closing + self._closing
            raise

    async def _fetch(self) -> None:
        """Fetch the requested leases, those that bids wait for first; none twice in one call."""
        tried: set[_Key] = set()
        while some := self._next(tried):
            tried |= some.keys()
            try:
                await self._fetch_some(some)
            except BaseException:
                for key, asked in some.items():
                    self._want(key, asked)
                raise

    def _next(self, tried: set[_Key]) -> dict[_Key, _Wanted]:
        """Return some of the requests, removed from the queues."""
        urgent = islice((key for key in self._wanted if key not in tried), _LEASES_AT_ONCE)
        some = {key: self._wanted.pop(key) for key in list(urgent)}
        while self._ahead and len(some) < _LEASES_AT_ONCE:
            key = (self._ahead.pop(), ANYBODY)
            if key not in tried:
                some.setdefault(key, _Wanted())
        return some

    async def _fetch_some(self, wanted: Mapping[_Key, _Wanted]) -> None:
        now = self._clock()
        grants = [self._grant(key, asked, now) for key, asked in sorted(wanted.items())]
        answers = await self._ledger.lease(grants)
        for grant, answer in zip(grants, answers, strict=True):
            key = (grant.campaign, grant.caller)
            old = self._open.get(key)
            self._asked = self._asked.plus(answer)
            if answer > 0 or (old is not None and old.left < grant.least_micros):
                self._set_aside(key)  # the rest may be enough for another replica's bid
            if answer > 0:
                self._barred.discard(key)
                until = grant.expires - self._notice_ttl - _EXPIRY_SLACK
                lease = _Lease(grant.lease, answer, answer, until, self._burns[grant.campaign], caller=grant.caller)
                self._open[key] = lease
                self._watch(key, lease)
            elif answer == CALLER_HOLDS_ENOUGH:
                self._barred.add(key)

    def _length(self, campaign: int, burn: Burn) -> float:
        """Return the length of a campaign's new lease in seconds, as long as nothing is bid from it."""
        if burn.patience == 1:
            return self._seconds
        # Spread the ends: they may all have begun at once.
        return self._seconds * burn.patience * (0.75 + campaign % 64 / 256)

    def _grant(self, key: _Key, asked: _Wanted, now: float) -> Grant:
        """Return the grant to ask the ledger for.

        Near its end a campaign has less than a few bids left: pieces too small to bid with, held by replicas that
        cannot use them, would never be spent. So less than the smallest pending bid is not taken at all.
        """
        campaign, caller = key
        burn, day = self._burn(campaign), self._days.get(campaign, _NO_DAY)
        return Grant(
            lease=self._new_number(),
            campaign=campaign,
            least_micros=asked.largest,
            share=self._share,
            expires=now + self._length(campaign, burn) + self._notice_ttl + _EXPIRY_SLACK,
            most_micros=burn.lease_for(self._seconds),
            useful_micros=asked.smallest or math.ceil(burn.largest),
            at=now,
            day=day.name,
            day_ends=day.ends,
            caller=caller,
            caller_share=self._caller_share,
        )
