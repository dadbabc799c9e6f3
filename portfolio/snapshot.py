"""What the allocators know: the campaigns of a portfolio at one moment. Immutable, money in integer micro-units."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from portfolio.memory import NO_COUNTS, NOTHING, Counts, Memory
from rtb.campaigns.campaign import Campaign
from rtb.ledger import Balance

MOST_MICROS = 2**53
"""Most that a field may hold, as in `rtb.campaigns.campaign`: what a double counts exactly."""


class SnapshotError(ValueError):
    """A snapshot that contradicts itself; the message names the campaign and the field."""


@dataclass(frozen=True)
class Limits:
    """What an allocation may do to one campaign, in micros.

    Attributes:
        floor: least it gets while it is not paused.
        cap: most it gets; none: no cap. Money already committed stays, whatever the cap.
        step: most its budget changes in one allocation; none: no limit. It gives way to floor, cap and commitments.
        least_spend: what it spends before it is judged; until then it counts as an average campaign.
    """

    floor: int = 0
    cap: int | None = None
    step: int | None = None
    least_spend: int = 0


@dataclass(frozen=True)
class Targets:
    """What the advertiser wants of a campaign; none: no such target.

    Attributes:
        cpc: most that a click should cost, in micros.
        cpa: most that a conversion should cost, in micros.
        roi: least gain for each micro spent, (value - spend) / spend: 0.2 is 20% more than was spent.
    """

    cpc: int | None = None
    cpa: int | None = None
    roi: float | None = None


@dataclass(frozen=True)
class CampaignState:
    """One campaign at one moment.

    Attributes:
        id: unique in a portfolio; ties are broken by it.
        budget: what it has now, in micros, committed money included.
        spent: micros.
        reserved: micros promised to bids that are out.
        leased: micros in the hands of replicas.
        limits: see there.
        weight: priority, relative to the other campaigns'; 0: only what nobody else can take.
        paused: it gets no more, and gives what is not committed.
        counts: all that happened so far.
        memory: the last periods, discounted: what the allocators judge by.
        event: what it pays for, `click` or `conversion`.
        event_value: what one is worth, in micros.
        targets: see there.
        elapsed: part of its flight that is over, 0 to 1.
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
        """The state of a campaign of record with its ledger's figures (both accounts, where it has an arm).

        Raises:
            SnapshotError: the figures contradict each other.
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
        campaigns: by id, in whatever order they were given: so no allocator can depend on that order.
        periods: how many periods such as those of `Memory` the money is to last.
    """

    total: int
    campaigns: tuple[CampaignState, ...]
    periods: float

    def __init__(self, total: int, campaigns: Iterable[CampaignState], periods: float = 1.0) -> None:
        """Put the campaigns in the order of their ids.

        Raises:
            SnapshotError: two campaigns share an id, or the total or the periods mean nothing.
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
                raise SnapshotError(f"two campaigns are called {one.id!r}: an id is unique in a portfolio")


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
        raise SnapshotError(f"campaign {one.id!r}: weight is {one.weight!r}: give a number from 0 on")
    if one.event not in ("click", "conversion"):
        raise SnapshotError(f"campaign {one.id!r}: event is {one.event!r}: 'click' or 'conversion'")
    roi = one.targets.roi
    if roi is not None and not -1.0 < roi < math.inf:
        raise SnapshotError(f"campaign {one.id!r}: target ROI is {roi!r}: give a number above -1")


def _is_money(amount: object) -> bool:
    return isinstance(amount, int) and not isinstance(amount, bool) and 0 <= amount <= MOST_MICROS
