"""What a ledger promises, whatever it is made of. Amounts are integer micros, times are Unix seconds.

Money moves between four pots of a campaign, and each operation is atomic:

    available --lease--> leased --close--> reserved --settle--> spent
        ^------------------+------------------+  (what is not needed comes back)

A replica leases money before it bids it, so a reservation costs no round trip and nothing can be bid twice. A lease
outlives every notice of the bids made from it; what it still holds when it ends goes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from rtb.notices import BidRef, Kind, counts_until

MEMORY_SECONDS = 3_600
"""How long a notice is remembered past the time when it would be refused anyway."""


class LedgerError(RuntimeError):
    """The ledger cannot be reached or does not answer in time: nothing was acknowledged, try again."""


class Outcome(StrEnum):
    """What became of a notice."""

    SETTLED = "settled"
    FREED = "freed"
    COUNTED = "counted"
    DUPLICATE = "duplicate"
    UNFUNDED = "unfunded"
    UNKNOWN = "unknown"


class Grant(NamedTuple):
    """Money a replica asked for.

    Attributes:
        lease: the replica's number for it, unique.
        campaign: whose money.
        least_micros: what it needs at once: the bid that could not be paid.
        share: part of what is available that it takes when that is more, 0 to 1.
        expires: when the ledger takes back what is left: after every notice of its bids.
    """

    lease: int
    campaign: int
    least_micros: int
    share: float
    expires: float


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
        probability: sum of predicted CTR over the opportunities.
    """

    campaign: int
    opportunities: int
    bids: int
    probability: float


class Mark(NamedTuple):
    """That something happened to a bid, so that it happens once.

    Attributes:
        bid: its id.
        names: kinds of notice that came, `charged` when its price was asked for, `freed` when a loss freed its money.
        seconds: how long to remember.
    """

    bid: str
    names: tuple[str, ...]
    seconds: int


class Balance(NamedTuple):
    """Where a campaign stands: four pots that add up to the budget, and what was counted."""

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
    probability: float = 0.0
    price_squares: float = 0.0


class Ledger(Protocol):
    """The operations. Every implementation passes `tests/rtb/ledger/test_contract.py`."""

    async def open(self, campaign: int, budget_micros: int) -> None:
        """Set a campaign's budget. The first time all of it is available; later the difference is added or taken.

        A budget is never lowered below what is spent, leased and reserved: then it becomes exactly that.
        """
        ...

    async def lease(self, grants: Sequence[Grant]) -> list[int]:
        """Move money from available to leased; micros granted, 0 where there is none."""
        ...

    async def close(self, leases: Sequence[tuple[int, int]]) -> None:
        """End bidding from leases: `(lease, micros ever reserved from it)`. The rest is available again at once."""
        ...

    async def settle(self, ref: BidRef, kind: Kind, price_micros: int, now: float) -> Outcome:
        """Spend a bid's clearing price, once per bid; never more than was bid, never more than there is."""
        ...

    async def release(self, ref: BidRef, now: float, min_to_win_micros: int | None = None) -> Outcome:
        """Free a lost bid's money, once per bid; the least bid that would have won goes into the event."""
        ...

    async def count(self, ref: BidRef, kind: Kind, now: float) -> Outcome:
        """Count a notice that moves no money, once per bid and kind."""
        ...

    async def report(self, usages: Sequence[Usage]) -> None:
        """Add to the campaigns' counts."""
        ...

    async def reclaim(self, now: float) -> int:
        """Return what expired leases still hold; micros returned."""
        ...

    async def balances(self, campaigns: Sequence[int]) -> list[Balance]:
        """Where these campaigns stand; zeros for one that was never opened."""
        ...

    async def restore(self, campaign: int, balance: Balance, *, overwrite: bool = False) -> bool:
        """Give a campaign the figures it had in a ledger that was lost; its leases, if any, are forgotten.

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
