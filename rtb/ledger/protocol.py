"""The interface of a ledger, whatever it is made of. Amounts are integer micros, times are Unix seconds.

Money moves between four pots of a campaign, and each operation is atomic:

    available --lease--> leased --close--> reserved --settle--> spent
        ^------------------+------------------+  (unused money comes back)

A replica leases money before it bids it, so a reservation costs no round trip and no money is bid twice. A lease
outlives every notice of its bids; what it still holds when it expires becomes available again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from rtb.money.micros import MAX_MICROS
from rtb.runtime.outbox import Stamp
from rtb.settlement.notice_tokens import BidRef, Kind, counts_until

MEMORY_SECONDS = 3_600
"""How long a notice is remembered past the time when it would be refused anyway."""


CALLER_HOLDS_ENOUGH = -1
"""Answer to a grant whose caller's unpaid bids hold as much of the money as they may."""

ANYBODY = -1
"""Caller of a lease that is kept ready for the first caller."""

CREDIT = 100
"""Micros that a caller's unpaid bids may hold per micro paid: winning one bid in a hundred is enough."""


class LedgerError(RuntimeError):
    """A ledger that is unavailable or does not answer in time: nothing was acknowledged, try again."""


class NoticeOutcome(StrEnum):
    """The result of a notice."""

    SETTLED = "settled"
    FREED = "freed"
    COUNTED = "counted"
    DUPLICATE = "duplicate"
    UNFUNDED = "unfunded"
    UNPAID = "unpaid"
    CHARGED = "charged"
    UNKNOWN = "unknown"
    BEHIND = "behind"


class Terms(NamedTuple):
    """The limits of what a campaign may spend, and when.

    Attributes:
        budget_micros: total budget.
        daily_micros: budget of one of its days; 0: no daily limit.
        starts: time from which money is leased.
        ends: time until which money is leased.
        paused: whether no money is leased at all.
    """

    budget_micros: int
    daily_micros: int = 0
    starts: float = 0.0
    ends: float = math.inf
    paused: bool = False

    def runs(self, at: float) -> bool:
        """Return whether money may be leased at this time, if there is any."""
        return not self.paused and self.starts <= at < self.ends


class Day(NamedTuple):
    """A day of a campaign's own calendar.

    Attributes:
        name: date such as `2026-11-22`; a later day's name sorts later. Empty: days are not counted.
        ends: when the next one begins.
    """

    name: str = ""
    ends: float = math.inf


class Grant(NamedTuple):
    """A replica's request for a lease.

    Attributes:
        lease: unique number of the lease, chosen by the replica.
        campaign: account of the money.
        least_micros: amount needed at once: the largest bid that could not be paid.
        share: part of the available money to take where that is more, 0 to 1.
        expires: when the ledger takes back what is left: after every notice of its bids.
        most_micros: upper limit beyond `least_micros`: what the replica expects to bid.
        useful_micros: smallest useful amount: nothing is granted below it.
        at: time of the request.
        day: the campaign's day then. One before a day already named, or over by then, is ignored.
        day_ends: when that day ends.
        caller: number of the API key whose bids it pays, 0 for those without a key; `ANYBODY`: the first caller.
        caller_share: part of the unspent money that the caller's unpaid bids may hold, above 0, at most 1.
    """

    lease: int
    campaign: int
    least_micros: int
    share: float
    expires: float
    most_micros: int = MAX_MICROS
    useful_micros: int = 1
    at: float = 0.0
    day: str = ""
    day_ends: float = math.inf
    caller: int = ANYBODY
    caller_share: float = 1.0


class Closing(NamedTuple):
    """The closing of a lease.

    Attributes:
        lease: number of the lease.
        reserved_micros: sum of all reservations from it.
        expires: when the ledger takes back what is left, after the last notice of its bids; infinite: as granted.
        caller: caller whose bids it paid, where it was granted for any; `ANYBODY`: none.
    """

    lease: int
    reserved_micros: int
    expires: float = math.inf
    caller: int = ANYBODY


class Division(NamedTuple):
    """The division of a campaign's money with its arm in an experiment.

    Attributes:
        campaign: number of the campaign.
        arm: account of the arm, `rtb.money.accounts.arm_of`.
        share: the arm's part of the money, above 0 and below 1.
    """

    campaign: int
    arm: int
    share: float


class Transfer(NamedTuple):
    """A transfer of budget from one campaign to another.

    Attributes:
        source: number of the campaign that gives budget.
        target: number of the campaign that gets it.
        micros: amount, above 0.
        portfolio: id of the portfolio.
        because: reason, for people.
    """

    source: int
    target: int
    micros: int
    portfolio: str
    because: str


class Reservation(NamedTuple):
    """Money reserved for one bid: the bid's identity, and until when its notices count."""

    lease: int
    sequence: int
    expires: int


class Usage(NamedTuple):
    """A replica's usage of a campaign since its last report.

    Attributes:
        campaign: account of the campaign.
        opportunities: number of impressions it was scored for.
        bids: number of bids sent.
        probability: sum over the opportunities of the probability of the campaign's goal, a click or a conversion.
        levels: sum over the opportunities of micros bid per unit of that chance.
    """

    campaign: int
    opportunities: int
    bids: int
    probability: float
    levels: float = 0.0


class Floor(NamedTuple):
    """A lower bound on a campaign's figures in the ledger, known from elsewhere.

    Attributes:
        campaign: number of the campaign.
        spent_micros: micros charged to it, arms included.
        given_micros: micros moved from its budget to other campaigns, whatever came back.
    """

    campaign: int
    spent_micros: int
    given_micros: int = 0


class Mark(NamedTuple):
    """The marks of what happened to a bid, so that it happens once.

    Attributes:
        bid: id of the bid.
        names: kinds of notices that came, `charged` when its charge was requested, `paid` when that was spent, `freed`
            when a loss freed its money.
        seconds: how long the marks are kept.
    """

    bid: str
    names: tuple[str, ...]
    seconds: int


class Balance(NamedTuple):
    """The balance of a campaign: four pots that add up to the budget, counts, and its day.

    Clicks and conversions are those of paid bids; `unpaid` are those of others, which count once the bid is paid after
    all. `spent_today` is the spend of the last day that a grant named, until `day_ends`; later spend is `spent_next`.
    `moved` is the net budget from other campaigns, below 0 where more went to others. `arm` is the account of the
    campaign's arm, 0 where it has none; with an arm the campaign's money is in both. `base`, of an arm, is the part of
    the campaign's budget that was spent or promised when it was divided. `behind` is 1 where the ledger knows less than
    its floor: see `Ledger.verify`. `given` is what was moved to others, whatever came back.
    """

    budget: int = 0
    available: int = 0
    leased: int = 0
    reserved: int = 0
    spent: int = 0
    opportunities: int = 0
    bids: int = 0
    wins: int = 0
    bills: int = 0
    losses: int = 0
    clicks: int = 0
    conversions: int = 0
    unfunded: int = 0
    unpaid: int = 0
    probability: float = 0.0
    price_squares: float = 0.0
    daily: int = 0
    spent_today: int = 0
    spent_next: int = 0
    day_ends: float = math.inf
    arm: int = 0
    base: int = 0
    levels: float = 0.0
    moved: int = 0
    behind: int = 0
    given: int = 0

    def day_left(self, now: float) -> float:
        """Return the micros that today's bids may still cost, leased ones included; infinite without a daily limit.

        Reserved money counts as spent until it comes back: reserved yesterday, it may still be charged today.
        """
        if not self.daily:
            return math.inf
        spent = self.spent_next + (self.spent_today if now < self.day_ends else 0)
        return max(0, self.daily - spent - self.reserved)

    def plus(self, arm: Balance) -> Balance:
        """Return a campaign's own balance plus its arm's, both read at about the same time.

        Where their days end at different times, the later end is kept.
        """
        summed = Balance(*(mine + theirs for mine, theirs in zip(self, arm, strict=True)))  # type: ignore[arg-type]
        return summed._replace(arm=self.arm, base=0, day_ends=max(self.day_ends, arm.day_ends))


class Ledger(Protocol):
    """The operations of a ledger. Every implementation passes `tests/rtb/ledger/contract`.

    A notice's `min_to_win_micros` is the least bid that would have won by the exchange's word, `None` where unknown: it
    is recorded with the notice's event, where there are events, and moves no money.
    """

    async def open(self, campaign: int, terms: Terms | int) -> None:
        """Set a campaign's terms; a bare number is a budget without other terms.

        The first time all of the budget is available; later the difference is added or taken, on top of what was moved
        to or from other campaigns. Where there is an arm it is taken from the campaign's own account; the arm's terms
        are otherwise the campaign's. A budget is never lowered below what is spent, leased and reserved. What is leased
        or reserved when other terms are tightened may still be spent; no more is leased until they allow it.
        """
        ...

    async def open_all(self, terms: Mapping[int, Terms]) -> None:
        """Set the terms of many campaigns, by their numbers: see `open`."""
        ...

    async def move(self, transfers: Sequence[Transfer], now: float) -> list[int]:
        """Move budget between campaigns, in order; return the micros moved by each transfer.

        A transfer is atomic, together with its event, where there are events. It takes what is available in the
        campaign's own account, never its last micro, and less than requested where there is less. It moves 0 where one
        of the campaigns was never opened.
        """
        ...

    async def divide(self, divisions: Sequence[Division]) -> list[int]:
        """Give each campaign's arm its share of the money; return the arms' budgets in micros.

        The share applies to what was available when the campaign was first divided, and to later changes of its budget.
        Of the daily limit an arm gets its share of what was left when it was divided, and from the next day on of all
        of it. Only money and room that nothing holds is moved: calling again moves what was not free before, and
        nothing once the division is complete.

        An arm is an account of its own with all operations of a campaign's. Both together never have more than the
        campaign has; but where a daily limit is lowered below what one of them has promised, the other may still
        promise its own part of the new one. The result is 0, and nothing is done, where there is nothing to divide or
        another arm already.
        """
        ...

    async def rejoin(self, campaigns: Sequence[int]) -> list[bool]:
        """Merge the arms of these campaigns back into them; return which of them had an arm.

        Leases and bids of an arm stay valid as the campaign's: they are closed and settled under the arm's number.
        """
        ...

    async def lease(self, grants: Sequence[Grant]) -> list[int]:
        """Move money from available to leased; return the micros granted, 0 where there is none or too little of use.

        A grant is the smaller of `most_micros` and the share, at least `least_micros`, and at most what is left of the
        budget and of the day: `daily - spent today - leased - reserved`. It is 0 while the terms stop the campaign.

        A caller that asks for bids and never pays would hold all the money. So its leases hold at most its share of the
        unspent money plus a credit: `CREDIT` for each micro paid of its bids, less what expired unpaid. A caller that
        holds nothing may hold one bid. Beyond that the answer is `CALLER_HOLDS_ENOUGH`.
        """
        ...

    async def close(self, leases: Sequence[Closing]) -> None:
        """Close leases. What was not reserved is available again at once."""
        ...

    async def settle(
        self, ref: BidRef, kind: Kind, price_micros: int, now: float, *, min_to_win_micros: int | None = None
    ) -> NoticeOutcome:
        """Spend a bid's clearing price, once per bid; never more than was bid, never more than there is.

        A bid is paid from its reservation. Where that was returned (by a loss or by expiry), the budget and the day
        must have room for it.
        """
        ...

    async def release(self, ref: BidRef, now: float, *, min_to_win_micros: int | None = None) -> NoticeOutcome:
        """Free a lost bid's money, once per bid."""
        ...

    async def count(
        self, ref: BidRef, kind: Kind, now: float, *, min_to_win_micros: int | None = None
    ) -> NoticeOutcome:
        """Count a notice that moves no money, once per bid and kind.

        A click or conversion of an unpaid bid is counted apart (`UNPAID`), as whoever got the bid can send it. It
        counts as a click or conversion once the bid is paid.
        """
        ...

    async def report(self, usages: Sequence[Usage], stamp: Stamp | None = None) -> None:
        """Add to the campaigns' counts, all at once.

        Under a stamp it is added once: not where the sender's number is no higher than an earlier one. Without a stamp
        it is added each time.
        """
        ...

    async def reclaim(self, now: float) -> int:
        """Make the money of expired leases available again; return the micros."""
        ...

    async def verify(self, floors: Sequence[Floor]) -> list[int]:
        """Stop campaigns whose figures in the ledger are below their floors; return their numbers.

        A ledger records every charge first, so one that knows less was rolled back, to an older file for example. Until
        its figures are restored, nothing is leased to such a campaign, divided, or moved from or to it, and its notices
        are answered `BEHIND` without being recorded, so that they can come again. Campaigns never opened are skipped.
        """
        ...

    async def balances(self, campaigns: Sequence[int]) -> list[Balance]:
        """Return the balances of these campaigns; zeros for one that was never opened."""
        ...

    async def restore(self, campaign: int, balance: Balance, *, overwrite: bool = False) -> bool:
        """Restore the figures that a campaign had in a lost ledger; its leases, if any, are dropped.

        Of its terms only the budget and the daily limit are known until it is opened again.

        Returns:
            False, and nothing is done, where it has a budget already and `overwrite` is not set.
        """
        ...

    async def remember(self, marks: Sequence[Mark]) -> None:
        """Mark bids as if their notices had come, so that these are duplicates."""
        ...


def mark_seconds(ref: BidRef, kind: Kind, now: float) -> int:
    """Return how long a notice that comes now is remembered, in seconds."""
    return max(0, int(counts_until(ref, kind) - now)) + MEMORY_SECONDS
