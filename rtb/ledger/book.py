"""A replica's leases: bids are paid from here without a round trip, and money is fetched in the background."""

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

_LEASES_AT_ONCE = 64  # asked for in one call, so that what is urgent never waits behind thousands that are not

_NO_DAY = Day()

_Key = tuple[int, int]
"""A campaign, and the caller whose bids a lease pays: `ANYBODY` for one that waits for the first to come."""


class _Wanted(NamedTuple):
    """Bids of a campaign that no lease could pay, micros; zeros when a lease is asked for ahead of any."""

    largest: int = 0
    smallest: int = 0

    def joined(self, other: _Wanted) -> _Wanted:
        """Both together."""
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
        """Whether so much is spent that the next one should be on its way."""
        return self.left < self.granted / 2

    def closing(self) -> Closing:
        """What to tell the ledger at its end: it is kept until no token of its bids is honoured any more."""
        expires = self.last_expires + _EXPIRY_SLACK if self.sequence else 0.0
        return Closing(self.number, self.ever_reserved, expires, self.caller)


class LeaseCounts(NamedTuple):
    """What became of leases asked for.

    Attributes:
        granted: how many.
        refused: how many because there was no money.
        held: how many because unpaid bids of the same caller hold as much as they may.
        micros: how much was granted.
    """

    granted: int = 0
    refused: int = 0
    held: int = 0
    micros: int = 0

    def plus(self, answer: int) -> LeaseCounts:
        """With what the ledger answered to one more."""
        if answer == CALLER_HOLDS_ENOUGH:
            return self._replace(held=self.held + 1)
        if answer <= 0:
            return self._replace(refused=self.refused + 1)
        return self._replace(granted=self.granted + 1, micros=self.micros + answer)


class LeaseBook:
    """Reserves from leased money. `reserve` is synchronous and never waits; `maintain` runs beside it.

    A lease is sized by what the campaign reserved here lately (`Burn`), so that what is leased and not bid stays
    small, and many replicas share a budget by what each can use of it. One that nothing is bid from is renewed ever
    more seldom: of ten thousand campaigns most are kept ready, and few bid. Work goes by what bids, not by what is
    kept.

    Bids of each caller are paid from leases of its own, so that the ledger can bound what one that never pays holds.
    What is kept ready goes to the first caller that bids.

    Args:
        ledger: where the money is.
        seconds: how long to bid from one lease, from its first bid on; without one it may last longer.
        share: largest part of what a campaign has available that one lease takes.
        notice_ttl: most seconds a bid's notices are honoured; a lease that is never closed is kept that much longer.
        clock: Unix time.
        caller_share: part of a campaign's money that is not spent which one caller's unpaid bids may hold.
        new_number: makes lease numbers; random, so that replicas never agree on one.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        seconds: float,
        share: float,
        notice_ttl: float,
        caller_share: float = 1.0,
        clock: Callable[[], float] = time.time,
        new_number: Callable[[], int] = lambda: secrets.randbits(63),
    ) -> None:
        self._ledger = ledger
        self._seconds = seconds
        self._share = share
        self._notice_ttl = notice_ttl
        self._caller_share = caller_share
        self._clock = clock
        self._new_number = new_number
        self._open: dict[_Key, _Lease] = {}
        self._kept: set[int] = set()
        self._wanted: dict[_Key, _Wanted] = {}  # by bids that came, or are about to
        self._barred: set[_Key] = set()  # callers that hold enough
        self._ahead: set[int] = set()  # by none yet
        self._closing: list[Closing] = []
        self._burns: dict[int, Burn] = {}
        self._burning: set[int] = set()  # campaigns with bids since they were last measured
        self._dry: set[_Key] = set()
        self._ends: list[tuple[float, _Key, int]] = []  # heap: when to look at a lease, whose it is, its number
        self._measured_at = clock()
        self._days: Mapping[int, Day] = {}
        self._asked = LeaseCounts()

    def reserve(self, campaign: int, ceiling_micros: int, ttl: float = math.inf, caller: int = 0) -> Reservation | None:
        """Hold a bid's money; `None` when the caller has no lease with that much left (one is then asked for).

        Args:
            campaign: whose money.
            ceiling_micros: most the bid can cost.
            ttl: seconds its notices are honoured; never more than the book's `notice_ttl`.
            caller: number of the key that asks for it; 0: without one.
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
        expires = int(now + min(ttl, self._notice_ttl))
        lease.last_expires = max(lease.last_expires, expires)
        return Reservation(lease.number, lease.sequence, expires)

    def rehearse(self, ttl: float) -> Reservation:
        """An identity for a bid that answers a test: no money is behind it, and its notices settle nothing."""
        expires = int(self._clock() + min(ttl, self._notice_ttl))
        return Reservation(TEST_LEASE, secrets.randbits(32), expires)

    def want(self, campaigns: set[int]) -> None:
        """Hold leases for these campaigns, and for no others that do not bid, so that no first bid finds none."""
        for campaign in self._kept - campaigns:
            self._ahead.discard(campaign)
            lease = self._open.get((campaign, ANYBODY))
            if lease is not None:
                self._shorten((campaign, ANYBODY), lease, self._clock())
        self._kept = campaigns
        self._ahead |= campaigns - {campaign for campaign, _ in self._open}

    def enter(self, days: Mapping[int, Day]) -> None:
        """Lease for these days of the campaigns' own from now on."""
        self._days = days

    async def maintain(self) -> None:
        """Close leases that ended, and fetch those asked for. Call it a few times a second.

        A new lease takes the place of the old one only when it is there, so bidding does not pause in between.

        Raises:
            LedgerError: the ledger did not answer; what was to be done is tried again at the next call.
        """
        now = self._clock()
        self._measure(now)
        self._retire(now)
        await self._close()
        await self._fetch()
        await self._close()

    def take_counts(self) -> LeaseCounts:
        """What was asked of the ledger since the last call."""
        taken, self._asked = self._asked, LeaseCounts()
        return taken

    async def shutdown(self) -> None:
        """Close everything, so that unused money is available to others at once.

        Raises:
            LedgerError: the ledger did not answer; calling again tries again.
        """
        for key in list(self._open):
            self._set_aside(key)
        await self._close()

    def _take_over(self, key: _Key) -> _Lease | None:
        """Let a caller's bids be paid from what is kept ready, if it does not hold enough already."""
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
        """The burn of a campaign that is about to bid, measured until the last measurement of those that do."""
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
        """The first bid from a lease: from now on it lasts no longer than any other."""
        lease.burn.patience = 1
        self._shorten(key, lease, now)

    def _shorten(self, key: _Key, lease: _Lease, now: float) -> None:
        if lease.until > now + self._seconds:
            lease.until = now + self._seconds
            self._watch(key, lease)

    def _watch(self, key: _Key, lease: _Lease) -> None:
        heappush(self._ends, (lease.until - self._seconds / 4, key, lease.number))

    def _retire(self, now: float) -> None:
        """Ask anew for leases half spent, or ending and used or kept; set aside those past their time."""
        for key in self._dry:
            self._want(key, _Wanted())
        again = []
        while self._ends and self._ends[0][0] <= now:
            look = heappop(self._ends)
            key, lease = look[1], self._open.get(look[1])
            if lease is None or lease.number != look[2]:
                continue  # another took its place
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
        """Bid no more from a lease; it is closed at the next call of `_close`."""
        lease = self._open.pop(key, None)
        self._dry.discard(key)
        if lease is not None:
            if not lease.ever_reserved:
                lease.burn.lay_idle(lease.granted)
            self._closing.append(lease.closing())

    async def _close(self) -> None:
        closing, self._closing = self._closing, []
        if not closing:
            return
        try:
            await self._ledger.close(closing)
        except BaseException:  # cancelled as well: closing a lease twice does no harm
            self._closing = closing + self._closing
            raise

    async def _fetch(self) -> None:
        """Fetch what is asked for, what bids wait for first; nothing twice in one call."""
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
        """Some of what is asked for, taken off the lists."""
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
                self._set_aside(key)  # what a dry one has left may be enough for another replica's bid
            if answer > 0:
                self._barred.discard(key)
                until = grant.expires - self._notice_ttl - _EXPIRY_SLACK
                lease = _Lease(grant.lease, answer, answer, until, self._burns[grant.campaign], caller=grant.caller)
                self._open[key] = lease
                self._watch(key, lease)
            elif answer == CALLER_HOLDS_ENOUGH:
                self._barred.add(key)

    def _length(self, campaign: int, burn: Burn) -> float:
        """Seconds for which a new lease of a campaign is bid from, if nothing is bid from it before."""
        if burn.patience == 1:
            return self._seconds
        # They do not all end at once, though they may all have begun so.
        return self._seconds * burn.patience * (0.75 + campaign % 64 / 256)

    def _grant(self, key: _Key, asked: _Wanted, now: float) -> Grant:
        """What to ask the ledger for.

        Near its end a campaign has less than a few bids left: pieces too small to bid with, held by replicas that
        cannot use them, would never be spent. So less than the smallest bid at hand is not taken at all.
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
