"""The allocators' input: the campaigns of a portfolio at one moment. Immutable, money in integer micro-units."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from portfolio.memory import NO_COUNTS, NOTHING, Counts, Memory
from rtb.campaigns.campaign import Campaign
from rtb.ledger import Balance

MOST_MICROS = 2**53
"""Maximum of a money field, as in `rtb.campaigns.campaign`: a double counts exactly up to it."""


class SnapshotError(ValueError):
    """An inconsistent snapshot; the message names the campaign and the field."""


@dataclass(frozen=True)
class Limits:
    """Limits on one campaign's allocation, in micros.

    floor: minimum while it is not paused.
        cap: maximum; none: no cap. Committed money stays, whatever the cap.
        step: maximum change in one allocation; none: no limit. It yields to floor, cap and commitments.
        least_spend: spend before it is judged; until then it counts as an average campaign.
    """

    floor: int = 0
    cap: int | None = None
    step: int | None = None
    least_spend: int = 0


@dataclass(frozen=True)
class Targets:
    """Targets of the advertiser for a campaign; none: no such target.

    Attributes:
        cpc: maximum cost of a click, in micros.
        cpa: maximum cost of a conversion, in micros.
        roi: minimum gain per micro spent, (value - spend) / spend: 0.2 is 20% more than was spent.
    """

    cpc: int | None = None
    cpa: int | None = None
    roi: float | None = None


@dataclass(frozen=True)
class CampaignState:
    """One campaign at one moment.

    Attributes:
        id: unique in a portfolio; it breaks ties.
        budget: current budget in micros, committed money included.
        spent: spent micros.
        reserved: micros reserved for open bids.
        leased: micros leased to replicas.
        limits: limits on its allocation.
        weight: priority relative to the other campaigns; 0: it gets only what nobody else can take.
        paused: it gets no more, and gives away what is not committed.
        counts: totals so far.
        memory: discounted sums of the last periods, which the allocators judge by.
        event: what it pays for, `click` or `conversion`.
        event_value: worth of one event, in micros.
        targets: the advertiser's targets.
        elapsed: share of its flight that is over, 0 to 1.
    """

    id: str
    budget: int = 0
    spent: int = 0
    reserved: int = 0
    leased: int = 0
    limits: Limits = Limits()
    weight: float = 1.0
    paused: bool = False
    counts: Counts = NO_COUNTS
    memory: Memory = NOTHING
    event: str = "click"
    event_value: int = 1
    targets: Targets = Targets()
    elapsed: float = 0.0

    def __post_init__(self) -> None:
        _check(self)

    @property
    def committed(self) -> int:
        """Micros that cannot be moved."""
        return self.spent + self.reserved + self.leased

    @classmethod
    def of(
        cls,
        campaign: Campaign,
        balance: Balance,
        *,
        limits: Limits = Limits(),
        weight: float = 1.0,
        memory: Memory = NOTHING,
        targets: Targets = Targets(),
        elapsed: float = 0.0,
    ) -> CampaignState:
        """Return the state of a campaign with its ledger figures (both accounts, where it has an arm).

        Raises:
            SnapshotError: inconsistent figures.
        """
        events = balance.clicks if campaign.goal.kind == "click" else balance.conversions
        return cls(
            id=campaign.id,
            budget=balance.budget,
            spent=balance.spent,
            reserved=balance.reserved,
            leased=balance.leased,
            limits=limits,
            weight=weight,
            paused=campaign.status != "active",
            counts=Counts(
                spend=balance.spent,
                impressions=balance.bills,
                clicks=balance.clicks,
                conversions=balance.conversions,
                value=events * campaign.goal.value_micros,
            ),
            memory=memory,
            event=campaign.goal.kind,
            event_value=campaign.goal.value_micros,
            targets=targets,
            elapsed=elapsed,
        )


@dataclass(frozen=True)
class Snapshot:
    """A portfolio at one moment.

    Attributes:
        total: micros to share out, committed money included.
        campaigns: campaigns by id, whatever order they were given in: no allocator can depend on that order.
        periods: how many periods such as those of `Memory` the money must last.
    """

    total: int
    campaigns: tuple[CampaignState, ...]
    periods: float

    def __init__(self, total: int, campaigns: Iterable[CampaignState], periods: float = 1.0) -> None:
        """Sort the campaigns by id.

        Raises:
            SnapshotError: two campaigns share an id, or the total or the periods are invalid.
        """
        ordered = tuple(sorted(campaigns, key=lambda one: one.id))
        object.__setattr__(self, "total", total)
        object.__setattr__(self, "campaigns", ordered)
        object.__setattr__(self, "periods", periods)
        if not _is_money(total):
            raise SnapshotError(f"total is {total!r}: give whole micros from 0 to 2**53")
        if not 0.0 < periods < math.inf:
            raise SnapshotError(f"periods is {periods!r}: give a number above 0")
        for one, other in pairwise(ordered):
            if one.id == other.id:
                raise SnapshotError(f"two campaigns have the id {one.id!r}: an id must be unique in a portfolio")


def _check(one: CampaignState) -> None:
    limits = one.limits
    amounts = {
        "budget": one.budget,
        "spent": one.spent,
        "reserved": one.reserved,
        "leased": one.leased,
        "floor": limits.floor,
        "cap": limits.cap,
        "step": limits.step,
        "least_spend": limits.least_spend,
        "event_value": one.event_value,
    }
    for name, amount in amounts.items():
        if amount is not None and not _is_money(amount):
            raise SnapshotError(f"campaign {one.id!r}: {name} is {amount!r}: give whole micros from 0 to 2**53")
    if limits.cap is not None and limits.cap < limits.floor:
        raise SnapshotError(f"campaign {one.id!r}: its cap {limits.cap} is below its floor {limits.floor}")
    if not 0.0 <= one.weight < math.inf:
        raise SnapshotError(f"campaign {one.id!r}: weight is {one.weight!r}: give a number of at least 0")
    if one.event not in ("click", "conversion"):
        raise SnapshotError(f"campaign {one.id!r}: event is {one.event!r}: give 'click' or 'conversion'")
    roi = one.targets.roi
    if roi is not None and not -1.0 < roi < math.inf:
        raise SnapshotError(f"campaign {one.id!r}: target ROI is {roi!r}: give a number above -1")


def _is_money(amount: object) -> bool:
    return isinstance(amount, int) and not isinstance(amount, bool) and 0 <= amount <= MOST_MICROS
