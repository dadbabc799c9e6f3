"""What a ledger promises, whatever it is made of. Amounts are integer micros, times are Unix seconds.

Money moves between four pots of a campaign, and each operation is atomic:

    available --lease--> leased --close--> reserved --settle--> spent
        ^------------------+------------------+  (what is not needed comes back)

A replica leases money before it bids it, so a reservation costs no round trip and nothing can be bid twice. A lease
outlives every notice of the bids made from it; what it still holds when it ends goes back.
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
"""What a grant is answered with whose caller's unpaid bids hold as much of the money as they may."""

ANYBODY = -1
"""The caller of a lease that pays the bids of whoever comes first."""

CREDIT = 100
"""Micros that a caller's bids may hold unpaid for each micro that was paid: to win one bid in a hundred is enough."""


class LedgerError(RuntimeError):
    """The ledger cannot be reached or does not answer in time: nothing was acknowledged, try again."""


class Outcome(StrEnum):
    """What became of a notice."""

    SETTLED = "settled"
    FREED = "freed"
    COUNTED = "counted"
    DUPLICATE = "duplicate"
    UNFUNDED = "unfunded"
    UNPAID = "unpaid"
    UNKNOWN = "unknown"
    BEHIND = "behind"


class Terms(NamedTuple):
    """What a campaign may spend, and when.

    Attributes:
        budget_micros: over its whole life.
        daily_micros: in one of its days; 0: no daily limit.
        starts: no money is leased before.
        ends: no money is leased from then on.
        paused: no money is leased at all.
    """

    budget_micros: int
    daily_micros: int = 0
    starts: float = 0.0
    ends: float = math.inf
    paused: bool = False

    def runs(self, at: float) -> bool:
        """Whether money may be leased at this time, if there is any."""
        return not self.paused and self.starts <= at < self.ends


class Day(NamedTuple):
    """A day of a campaign's own calendar.

    Attributes:
        name: such as `2026-11-22`; a later day's name sorts later. Empty: nobody counts days.
        ends: when the next one begins.
    """

    name: str = ""
    ends: float = math.inf


class Grant(NamedTuple):
    """Money a replica asked for.

    Attributes:
        lease: the replica's number for it, unique.
        campaign: whose money.
        least_micros: what it needs at once: the largest bid that could not be paid.
        share: part of what is available that it takes when that is more, 0 to 1.
        expires: when the ledger takes back what is left: after every notice of its bids.
        most_micros: it takes no more than this, but for `least_micros`: what it expects to bid.
        useful_micros: less than this is of no use to it, and is left for others: nothing is granted then.
        at: time of asking.
        day: the campaign's day then. One before a day already named, or over by then, is not taken up.
        day_ends: when that day ends.
        caller: number of the key whose bids it is to pay, 0 for those without a key; `ANYBODY`: whoever comes.
        caller_share: part of the money that is not spent which the caller's unpaid bids may hold, above 0, at most 1.
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
    """A lease that is not bid from any more.

    Attributes:
        lease: its number.
        reserved_micros: what was ever reserved from it.
        expires: when the ledger takes back what is left, after the last notice of its bids; none: as granted.
        caller: whose bids it paid, where it was granted for whoever comes; `ANYBODY`: nobody's.
    """

    lease: int
    reserved_micros: int
    expires: float = math.inf
    caller: int = ANYBODY


class Division(NamedTuple):
    """A part of a campaign's money for its arm in an experiment.

    Attributes:
        campaign: whose money.
        arm: the arm's account, `rtb.money.accounts.arm_of`.
        share: of the money, above 0 and below 1.
    """

    campaign: int
    arm: int
    share: float


class Transfer(NamedTuple):
    """Budget that is to go from one campaign to another.

    Attributes:
        source: number of the campaign that gives.
        target: of the one that gets.
        micros: above 0.
        portfolio: whose money it is.
        because: why, for people.
    """

    source: int
    target: int
    micros: int
    portfolio: str
    because: str


class Reservation(NamedTuple):
    """Money held for one bid: identity of the bid, and until when its notices count."""

    lease: int
    sequence: int
    expires: int


class Usage(NamedTuple):
    """What a replica did for a campaign since it last said so.

    Attributes:
        campaign: its number.
        opportunities: impressions it was scored for.
        bids: bids sent.
        probability: sum over the opportunities of the chance that the campaign's goal is met: a click or a conversion.
        levels: sum over the opportunities of micros bid per unit of that chance.
    """

    campaign: int
    opportunities: int
    bids: int
    probability: float
    levels: float = 0.0


class Floor(NamedTuple):
    """What is known elsewhere of a campaign's money, and so the least that the ledger must know.

    Attributes:
        campaign: its number.
        spent_micros: charged to it, arms included.
        given_micros: moved from its budget to other campaigns, whatever came back.
    """

    campaign: int
    spent_micros: int
    given_micros: int = 0


class Mark(NamedTuple):
    """That something happened to a bid, so that it happens once.

    Attributes:
        bid: its id.
        names: kinds of notice that came, `charged` when its price was asked for, `paid` when that was spent, `freed`
            when a loss freed its money.
        seconds: how long to remember.
    """

    bid: str
    names: tuple[str, ...]
    seconds: int


class Balance(NamedTuple):
    """Where a campaign stands: four pots that add up to the budget, what was counted, and its day.

    Clicks and conversions are those of bids that were paid; `unpaid` are those that came for others, which count as
    well when the bid is paid after all.
    `spent_today` is of the last day that a grant named, until `day_ends`; what was spent since is `spent_next`.
    `moved` is what of the budget came from other campaigns, below 0 where more went to others.
    `arm` is the account of the campaign's arm, 0 where it has none: the campaign's money is in both then. `base` is of
    an arm: what of the campaign's budget was spent or promised when it was divided. `behind` is 1 where the ledger
    knows less than its floor: see `Ledger.verify`. `given` is what was moved to others, whatever came back.
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
        """Micros that bids of today may still cost, leased ones included; infinite without a daily limit.

        Money reserved counts as spent until it comes back: reserved yesterday, it may still be charged today.
        """
        if not self.daily:
            return math.inf
        spent = self.spent_next + (self.spent_today if now < self.day_ends else 0)
        return max(0, self.daily - spent - self.reserved)

    def plus(self, arm: Balance) -> Balance:
        """A campaign's own account together with its arm's, both read at about the same time.

        Of days that end at different times the later one's figures are kept.
        """
        summed = Balance(*(mine + theirs for mine, theirs in zip(self, arm, strict=True)))  # type: ignore[arg-type]
        return summed._replace(arm=self.arm, base=0, day_ends=max(self.day_ends, arm.day_ends))


class Ledger(Protocol):
    """The operations. Every implementation passes `tests/rtb/ledger/contract`.

    Of notices, `min_to_win_micros` is what the exchange says would have won, `None` when it does not say: it is
    recorded with the notice's event, where there are events, and moves no money.
    """

    async def open(self, campaign: int, terms: Terms | int) -> None:
        """Set a campaign's terms; a bare number is a budget without other terms.

        The first time all of the budget is available; later the difference is added or taken, on top of what was moved
        to or from other campaigns, from the campaign's own
        account where it has an arm, whose terms are otherwise the campaign's. A budget is never
        lowered below what is spent, leased and reserved: then it becomes exactly that. What is leased or reserved
        when other terms are tightened may still be spent; no more is leased until they allow it.
        """
        ...

    async def open_all(self, terms: Mapping[int, Terms]) -> None:
        """`open` for many campaigns, by their numbers."""
        ...

    async def move(self, transfers: Sequence[Transfer], now: float) -> list[int]:
        """Take budget from campaigns and give it to others, in order; micros moved by each transfer.

        A transfer is one step, together with its event, where there are events: what one loses the other has. It is of
        what is available in the campaign's own account, and never of its last micro; less than was asked for where
        there is less. 0 where one of them was never opened.
        """
        ...

    async def divide(self, divisions: Sequence[Division]) -> list[int]:
        """Give each campaign's arm its share of the money; micros of the arms' budgets.

        The share is of what was available when the campaign was first divided, and of what its budget was raised or
        lowered by since. Of its daily limit an arm gets the share of what was left when it was divided, and from the
        next day on the share of all of it. Only money that nobody holds, and room that nobody uses, is moved: asking
        again moves what was not free before, and nothing when all is in its place.

        An arm is an account of its own: all that can be done to a campaign's can be done to it. Both together never
        have more than the campaign has; but where a daily limit is lowered below what one of them has promised, the
        other may still promise its own part of the new one. 0, and nothing is done, where there is nothing to divide
        or another arm already.
        """
        ...

    async def rejoin(self, campaigns: Sequence[int]) -> list[bool]:
        """Make what these campaigns' arms have, hold and counted their own again; which of them had an arm.

        Leases and bids of an arm go on as the campaign's: they are closed and settled under the arm's number.
        """
        ...

    async def lease(self, grants: Sequence[Grant]) -> list[int]:
        """Move money from available to leased; micros granted, 0 where there is none or too little to be of use.

        A grant is the smaller of `most_micros` and the share, at least `least_micros`, and at most what there is,
        in the budget and in what is left of the day: `daily - spent today - leased - reserved`. While the terms say
        that the campaign does not run it is 0.

        A caller that asks for bids and never pays would hold all there is. So what its leases hold stays within its
        share of the money that is not spent and a credit: `CREDIT` for each micro that was paid of its bids, less what
        came back by time. One that holds nothing may hold one bid. Beyond that: `CALLER_HOLDS_ENOUGH`.
        """
        ...

    async def close(self, leases: Sequence[Closing]) -> None:
        """End bidding from leases. What was not reserved is available again at once."""
        ...

    async def settle(
        self, ref: BidRef, kind: Kind, price_micros: int, now: float, *, min_to_win_micros: int | None = None
    ) -> Outcome:
        """Spend a bid's clearing price, once per bid; never more than was bid, never more than there is.

        A bid whose money is held is paid from it. Where it is not (it came back by a loss or by time), the budget and
        the day must have room for it.
        """
        ...

    async def release(self, ref: BidRef, now: float, *, min_to_win_micros: int | None = None) -> Outcome:
        """Free a lost bid's money, once per bid."""
        ...

    async def count(self, ref: BidRef, kind: Kind, now: float, *, min_to_win_micros: int | None = None) -> Outcome:
        """Count a notice that moves no money, once per bid and kind.

        A click or conversion of a bid that is not paid is counted apart (`UNPAID`): whoever has asked for a bid can
        send it. It counts as a click or conversion when the bid is paid after it.
        """
        ...

    async def report(self, usages: Sequence[Usage], stamp: Stamp | None = None) -> None:
        """Add to the campaigns' counts, all at once.

        What comes under a stamp is added once: not when the sender's number is no higher than one that came before.
        Without a stamp it is added each time.
        """
        ...

    async def reclaim(self, now: float) -> int:
        """Return what expired leases still hold; micros returned."""
        ...

    async def verify(self, floors: Sequence[Floor]) -> list[int]:
        """Stop campaigns of which the ledger knows less than their floors; their numbers.

        A ledger knows of every charge first, so one that knows less was rolled back: to an older file, say. Until its
        figures are restored nothing is leased to such a campaign, divided, or moved from or to it, and its notices are
        answered `BEHIND` without leaving a trace, so that they can come again. Campaigns never opened are left out.
        """
        ...

    async def balances(self, campaigns: Sequence[int]) -> list[Balance]:
        """Where these campaigns stand; zeros for one that was never opened."""
        ...

    async def restore(self, campaign: int, balance: Balance, *, overwrite: bool = False) -> bool:
        """Give a campaign the figures it had in a ledger that was lost; its leases, if any, are forgotten.

        Of its terms only the budget and the daily limit are known until it is opened again.

        Returns:
            False, and nothing is done, when it has a budget already and `overwrite` is not set.
        """
        ...

    async def remember(self, marks: Sequence[Mark]) -> None:
        """Mark bids as if their notices had come, so that these are duplicates."""
        ...


def mark_seconds(ref: BidRef, kind: Kind, now: float) -> int:
    """How long a notice that comes now is remembered."""
    return max(0, int(counts_until(ref, kind) - now)) + MEMORY_SECONDS
