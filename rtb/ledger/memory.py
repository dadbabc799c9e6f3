"""The ledger in the memory of one process, with the same guarantees, for unit tests and simulations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rtb.ledger.memory_accounts import Accounts, day_room
from rtb.ledger.protocol import ANYBODY, CALLER_HOLDS_ENOUGH, Balance, Closing, Grant, Mark, NoticeOutcome, Terms, Usage
from rtb.money.accounts import campaign_of
from rtb.runtime.outbox import Stamp
from rtb.settlement.notice_tokens import USERS, BidRef, Kind

_COUNTER = {Kind.WIN: "wins", Kind.BILL: "bills", Kind.CLICK: "clicks", Kind.CONVERSION: "conversions"}


@dataclass
class _Lease:
    campaign: int
    expires: float
    leased: int
    reserved: int = 0
    freed: int = 0
    closed: bool = False
    caller: int = ANYBODY

    @property
    def pot(self) -> str:
        """Pot of the money of its bids, which changes when the replica closes the lease."""
        return "reserved" if self.closed else "leased"


@dataclass
class MemoryLedger(Accounts):
    """A ledger in memory. See `Ledger`."""

    _leases: dict[int, _Lease] = field(default_factory=dict)
    _notices: set[tuple[str, Kind]] = field(default_factory=set)
    _charged: set[str] = field(default_factory=set)
    _freed: set[str] = field(default_factory=set)
    _paid: set[str] = field(default_factory=set)
    _reported: dict[str, int] = field(default_factory=dict)

    async def open(self, campaign: int, terms: Terms | int) -> None:
        """See `Ledger.open`."""
        terms = Terms(terms) if isinstance(terms, int) else terms
        pots = self._campaigns.setdefault(campaign, Balance()._asdict())
        moved = int(pots["moved"])
        whole = terms._replace(budget_micros=max(1, terms.budget_micros + moved)) if moved else terms
        own = self._open_arm(pots, whole) if pots["arm"] else whole
        change = max(own.budget_micros - pots["budget"], -pots["available"])
        pots["budget"] += change
        pots["available"] += change
        pots["daily"] = own.daily_micros
        self._terms[campaign] = own

    async def open_all(self, terms: Mapping[int, Terms]) -> None:
        """See `Ledger.open_all`."""
        for campaign, one in terms.items():
            await self.open(campaign, one)

    async def lease(self, grants: Sequence[Grant]) -> list[int]:
        """See `Ledger.lease`."""
        return [self._grant(grant) for grant in grants]

    def _grant(self, grant: Grant) -> int:
        pots = self._campaigns.get(grant.campaign)
        if pots is None or pots["behind"] or grant.lease in self._leases:
            return 0
        self._begin_day(grant, pots)
        if not self._terms[grant.campaign].runs(grant.at):
            return 0
        room = int(min(pots["available"], day_room(pots)))
        asked = min(grant.most_micros, math.ceil(room * grant.share))
        amount = min(room, max(grant.least_micros, asked))
        useful = max(1, grant.useful_micros)
        if amount < useful:
            return 0
        amount = min(amount, self._caller_room(grant, pots, room))
        if amount < useful:
            return CALLER_HOLDS_ENOUGH
        self._move(pots, "available", "leased", amount)
        self._leases[grant.lease] = _Lease(grant.campaign, grant.expires, amount, caller=grant.caller)
        return amount

    def _caller_room(self, grant: Grant, pots: dict[str, float], room: int) -> int:
        """Return the micros that a caller's bids may hold on top of what they do."""
        if grant.caller == ANYBODY:
            return room
        leases = (one for one in self._leases.values() if one.caller == grant.caller)
        held = sum(one.leased + one.reserved for one in leases if self._number(one.campaign) == grant.campaign)
        free = room + pots["leased"] + pots["reserved"]
        more = math.ceil(grant.caller_share * free) + self._credit[grant.campaign, grant.caller] - held
        return int(more if held else max(more, grant.least_micros))

    def _begin_day(self, grant: Grant, pots: dict[str, float]) -> None:
        """Begin the day that a grant names, unless it is past, or over by the time of the grant."""
        if grant.at >= grant.day_ends:
            return
        known = self._days.get(grant.campaign, "")
        if grant.day >= known:
            pots["day_ends"] = grant.day_ends if grant.day else pots["day_ends"]
        if grant.day > known:
            self._days[grant.campaign] = grant.day
            # Spend before the first named day may belong to this one.
            pots["spent_today"], pots["spent_next"] = pots["spent_next" if known else "spent_today"], 0

    async def close(self, leases: Sequence[Closing]) -> None:
        """See `Ledger.close`."""
        for number, ever_reserved, expires, caller in leases:
            lease = self._leases.get(number)
            if lease is None or lease.closed:
                continue
            pots = self._held_by(lease.campaign)
            outstanding = min(lease.leased, max(0, ever_reserved - lease.freed))
            self._move(pots, "leased", "available", lease.leased - outstanding)
            self._move(pots, "leased", "reserved", outstanding)
            lease.leased, lease.reserved, lease.closed = 0, outstanding, True
            lease.expires = expires if expires < math.inf else lease.expires
            lease.caller = caller if lease.caller == ANYBODY else lease.caller

    async def settle(
        self, ref: BidRef, kind: Kind, price_micros: int, now: float, *, min_to_win_micros: int | None = None
    ) -> NoticeOutcome:
        """See `Ledger.settle`."""
        pots = self._account(ref.campaign)
        if pots is None:
            return NoticeOutcome.UNKNOWN
        if pots["behind"]:
            return NoticeOutcome.BEHIND
        if not self._first(ref, kind) or ref.bid_id in self._charged:
            return NoticeOutcome.DUPLICATE
        self._charged.add(ref.bid_id)
        price = min(price_micros, ref.ceiling_micros)
        # A bid whose loss freed its money has none left in its lease: the rest belongs to other bids.
        is_freed = ref.bid_id in self._freed
        held = 0 if is_freed else self._take(ref, pots)
        if price > held + pots["available"] or (price > held and price > day_room(pots)):
            pots["available"] += held
            pots["unfunded"] += 1
            return NoticeOutcome.UNFUNDED
        pots["available"] += held - price
        pots["spent"] += price
        pots["spent_today" if now < pots["day_ends"] else "spent_next"] += price
        pots["price_squares"] += float(price) ** 2
        pots[_COUNTER[kind]] += 1
        if not is_freed and ref.lease in self._leases:
            self._earn_credit(ref.campaign, self._leases[ref.lease].caller, price)
        self._paid.add(ref.bid_id)
        for early in USERS:
            pots[_COUNTER[early]] += (ref.bid_id, early) in self._notices
        return NoticeOutcome.SETTLED

    async def release(self, ref: BidRef, now: float, *, min_to_win_micros: int | None = None) -> NoticeOutcome:
        """See `Ledger.release`."""
        pots = self._account(ref.campaign)
        if pots is None:
            return NoticeOutcome.UNKNOWN
        if pots["behind"]:
            return NoticeOutcome.BEHIND
        if ref.bid_id in self._charged:
            return NoticeOutcome.CHARGED
        if not self._first(ref, Kind.LOSS):
            return NoticeOutcome.DUPLICATE
        pots["losses"] += 1
        if (ref.bid_id, Kind.BILL) in self._notices or (ref.bid_id, Kind.WIN) in self._notices:
            return NoticeOutcome.COUNTED  # the money is spent, or about to be
        self._freed.add(ref.bid_id)
        pots["available"] += self._take(ref, pots)
        return NoticeOutcome.FREED

    async def count(
        self, ref: BidRef, kind: Kind, now: float, *, min_to_win_micros: int | None = None
    ) -> NoticeOutcome:
        """See `Ledger.count`."""
        pots = self._account(ref.campaign)
        if pots is None:
            return NoticeOutcome.UNKNOWN
        if pots["behind"]:
            return NoticeOutcome.BEHIND
        if not self._first(ref, kind):
            return NoticeOutcome.DUPLICATE
        if kind in USERS and ref.bid_id not in self._paid:
            pots["unpaid"] += 1
            return NoticeOutcome.UNPAID
        pots[_COUNTER[kind]] += 1
        return NoticeOutcome.COUNTED

    async def report(self, usages: Sequence[Usage], stamp: Stamp | None = None) -> None:
        """See `Ledger.report`."""
        if stamp is not None:
            if stamp.number <= self._reported.get(stamp.sender, 0):
                return
            self._reported[stamp.sender] = stamp.number
        for usage in usages:
            pots = self._account(usage.campaign)
            if pots is not None:
                pots["opportunities"] += usage.opportunities
                pots["bids"] += usage.bids
                pots["probability"] += usage.probability
                pots["levels"] += usage.levels

    async def reclaim(self, now: float) -> int:
        """See `Ledger.reclaim`."""
        returned = 0
        for number in [n for n, lease in self._leases.items() if lease.expires <= now]:
            lease = self._leases.pop(number)
            pots = self._held_by(lease.campaign)
            self._move(pots, "leased", "available", lease.leased)
            self._move(pots, "reserved", "available", lease.reserved)
            self._lose_credit(lease.campaign, lease.caller, lease.reserved)
            returned += lease.leased + lease.reserved
        return returned

    async def balances(self, campaigns: Sequence[int]) -> list[Balance]:
        """See `Ledger.balances`."""
        return [self._balance(self._campaigns.get(number)) for number in campaigns]

    async def restore(self, campaign: int, balance: Balance, *, overwrite: bool = False) -> bool:
        """See `Ledger.restore`."""
        if not overwrite and self._campaigns.get(campaign, {}).get("budget", 0):
            return False
        self._campaigns.pop(int(self._campaigns.get(campaign, {}).get("arm", 0)), None)
        self._forget_credit(campaign)
        leases = self._leases.items()
        self._leases = {number: lease for number, lease in leases if campaign_of(lease.campaign) != campaign}
        self._campaigns[campaign] = balance._asdict()
        self._terms[campaign] = Terms(balance.budget, balance.daily)
        self._days.pop(campaign, None)
        return True

    async def remember(self, marks: Sequence[Mark]) -> None:
        """See `Ledger.remember`."""
        for mark in marks:
            for name in mark.names:
                if name == "charged":
                    self._charged.add(mark.bid)
                elif name == "paid":
                    self._paid.add(mark.bid)
                elif name == "freed":
                    self._freed.add(mark.bid)
                else:
                    self._notices.add((mark.bid, Kind(name)))

    @staticmethod
    def _balance(pots: dict[str, float] | None) -> Balance:
        if pots is None:
            return Balance()
        floats = ("probability", "levels", "price_squares", "day_ends")
        return Balance(**{name: value if name in floats else int(value) for name, value in pots.items()})  # type: ignore[arg-type]

    @staticmethod
    def _move(pots: dict[str, float], source: str, target: str, amount: int) -> None:
        pots[source] -= amount
        pots[target] += amount

    def _first(self, ref: BidRef, kind: Kind) -> bool:
        key = (ref.bid_id, kind)
        if key in self._notices:
            return False
        self._notices.add(key)
        return True

    def _take(self, ref: BidRef, pots: dict[str, float]) -> int:
        """Take a bid's ceiling out of its lease; return the micros that were there."""
        lease = self._leases.get(ref.lease)
        if lease is None:
            return 0
        held: int = min(ref.ceiling_micros, getattr(lease, lease.pot))
        setattr(lease, lease.pot, getattr(lease, lease.pot) - held)
        lease.freed += held
        pots[lease.pot] -= held
        return held
