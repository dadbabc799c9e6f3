"""A portfolio at work: what its campaigns did since the last decision, the next decision, and the state between them.

Pure functions: they turn figures of catalog and ledger into an allocation, its transfers and the next state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from portfolio.allocation import RESERVE, Allocation
from portfolio.definition import Member, Portfolio
from portfolio.dual import DualState
from portfolio.manager import MultiCampaignManager, Strategy
from portfolio.memory import NO_COUNTS, NOTHING, Counts, Memory
from portfolio.snapshot import CampaignState, Snapshot
from portfolio.steering import steer
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance, Transfer
from rtb.pacing.terms import span_of

PACED = 0.8
"""Share of its planned spend below which a campaign's market counts as saturated: pacing itself is off by a fifth at
times."""

TRIED = 0.05
"""Share of an even split that every market is assumed to bear: saturated markets are tried again."""

REGAIN = 1.25
"""Growth of the assumed reach of a market that took all it was offered: it doubles in three periods."""

_GAP = 3.0
"""Intervals after which the time since the last decision is no ordinary period: nobody decided meanwhile."""

_FAR = 1e300  # an unknown reach, in a form that JSON can express


class MemberState(msgspec.Struct, frozen=True):
    """State of a member.

    Attributes:
        counts: totals at the last decision.
        memory: see `portfolio.memory`.
        planned: micros it should spend from then to the next decision, with its budget after that decision.
        multiplier: factor on its worth, see `portfolio.steering`.
        because: reason for the multiplier.
    """

    counts: Counts = NO_COUNTS
    memory: Memory = NOTHING._replace(reach=_FAR)
    planned: int = 0
    multiplier: float = 1.0
    because: str = ""


class PortfolioState(msgspec.Struct, frozen=True):
    """State that a portfolio carries from one decision to the next.

    Attributes:
        at: Unix time of the last decision; 0: none yet.
        decisions: number of decisions.
        log_price: log of the budget's price, see `portfolio.dual`.
        multipliers: multipliers of campaigns' return constraints, likewise.
        members: states of the members, by id.
    """

    at: float = 0.0
    decisions: int = 0
    log_price: float | None = None
    multipliers: dict[str, float] = {}
    members: dict[str, MemberState] = {}

    def is_due(self, portfolio: Portfolio, now: float) -> bool:
        """Return whether the next decision is due."""
        return portfolio.status == "active" and now >= self.at + portfolio.interval_seconds

    def has_period(self, portfolio: Portfolio, now: float) -> bool:
        """Return whether the time since the last decision is a period to judge by: not at first, nor after a pause."""
        return self.at > 0.0 and now <= self.at + _GAP * portfolio.interval_seconds

    @property
    def steering(self) -> dict[str, float]:
        """Factors on campaigns' worth that differ from 1, by id."""
        return {name: one.multiplier for name, one in self.members.items() if one.multiplier != 1.0}


class MemberAccount(NamedTuple):
    """A campaign in catalog and ledger: its record, and the sum of both its accounts."""

    entry: CatalogEntry
    balance: Balance


class AllocationDecision(NamedTuple):
    """A decision of a portfolio.

    Attributes:
        allocation: new budgets.
        transfers: transfers that carry it out.
        state: state for the next decision.
    """

    allocation: Allocation
    transfers: list[Transfer]
    state: PortfolioState


def decode_state(body: str) -> PortfolioState:
    """Decode a stored state; a new one if there is none, or this code cannot read it."""
    try:
        return msgspec.json.decode(body, type=PortfolioState) if body else PortfolioState()
    except msgspec.MsgspecError:
        return PortfolioState()


def encode_state(state: PortfolioState) -> str:
    """Return a state as JSON."""
    return msgspec.json.encode(state).decode()


def members_of(portfolio: Portfolio, campaigns: Mapping[str, MemberAccount]) -> dict[str, MemberAccount]:
    """Return the campaigns of a portfolio that exist and have money in the ledger, by id."""
    found = {member.campaign: campaigns.get(member.campaign) for member in portfolio.members}
    return {name: seen for name, seen in found.items() if seen is not None and seen.balance.budget > 0}


def observed(
    portfolio: Portfolio, state: PortfolioState, campaigns: Mapping[str, MemberAccount], now: float
) -> PortfolioState:
    """Return the state including what happened since the last decision.

    At first, and after a pause, there is no period to compare: what is remembered stays as it was.
    """
    found = members_of(portfolio, campaigns)
    left = sum(seen.balance.available + seen.balance.leased for seen in found.values())
    least = TRIED * left / max(1, len(found)) / _periods(portfolio, found.values(), now)
    known = dict(state.members)
    if not state.has_period(portfolio, now):
        known = {name: _begun_again(known[name], portfolio, seen, now) for name, seen in found.items() if name in known}
        known |= {name: _new(portfolio, seen, now) for name, seen in found.items() if name not in known}
        return msgspec.structs.replace(state, at=now, members=known)
    members = {name: _after(known.get(name), portfolio, seen, least, now) for name, seen in found.items()}
    return msgspec.structs.replace(state, at=now, members=members)


def snapshot_of(
    portfolio: Portfolio, state: PortfolioState, campaigns: Mapping[str, MemberAccount], now: float
) -> Snapshot:
    """Return the portfolio as a snapshot for the allocators."""
    seen = members_of(portfolio, campaigns)
    total = sum(one.balance.budget for one in seen.values())
    step = math.ceil(portfolio.most_move * total)
    states = [
        _state_of(member, seen[member.campaign], state.members.get(member.campaign), step, now)
        for member in portfolio.members
        if member.campaign in seen
    ]
    return Snapshot(total, states, _periods(portfolio, seen.values(), now))


def allocated(
    portfolio: Portfolio, state: PortfolioState, snapshot: Snapshot, strategy: Strategy | None = None
) -> tuple[Allocation, DualState]:
    """Return the allocation of a strategy, and its prices afterwards.

    Args:
        portfolio: definition.
        state: its state.
        snapshot: its snapshot, now.
        strategy: a strategy other than the portfolio's.

    Raises:
        InfeasibleBounds: floors exceed the total.
    """
    manager = MultiCampaignManager(
        snapshot.total,
        snapshot.campaigns,
        generator=np.random.default_rng([state.decisions, len(snapshot.campaigns)]),
        least_move=portfolio.least_move,
        periods=snapshot.periods,
    )
    manager.dual_state = DualState(state.log_price, state.multipliers)
    chosen = strategy or portfolio.strategy
    if chosen == "performance":
        return manager.allocate_budget_performance_based(portfolio.metric), manager.dual_state
    if chosen == "bandit":
        return manager.allocate_budget_mab(portfolio.explore_rate), manager.dual_state
    return manager.allocate(chosen), manager.dual_state


def decide(
    portfolio: Portfolio, state: PortfolioState, campaigns: Mapping[str, MemberAccount], now: float
) -> AllocationDecision:
    """Make the next decision of a portfolio, from a state that includes what happened until now.

    Raises:
        InfeasibleBounds: floors exceed the total.
    """
    snapshot = snapshot_of(portfolio, state, campaigns, now)
    allocation, dual = allocated(portfolio, state, snapshot)
    members = dict(state.members)
    for one in snapshot.campaigns:
        steering = steer(one, members[one.id].multiplier)
        members[one.id] = msgspec.structs.replace(
            members[one.id], multiplier=steering.multiplier, because=steering.because
        )
    carried = msgspec.structs.replace(
        state,
        decisions=state.decisions + 1,
        log_price=dual.log_price,
        multipliers=dict(dual.multipliers),
        members=members,
    )
    return AllocationDecision(allocation, transfers_of(portfolio.id, allocation, campaigns), carried)


def planned(
    portfolio: Portfolio,
    state: PortfolioState,
    campaigns: Mapping[str, MemberAccount],
    moved: Mapping[int, int],
    now: float,
) -> PortfolioState:
    """Return the state with each campaign's planned spend until the next decision.

    Args:
        portfolio: definition.
        state: its state.
        campaigns: campaigns before any money moved.
        moved: micros that each got, negative where it gave, by number.
        now: Unix time.
    """
    members = dict(state.members)
    for name, (entry, balance) in members_of(portfolio, campaigns).items():
        change = moved.get(entry.number, 0)
        after = balance._replace(budget=balance.budget + change, available=balance.available + change)
        seconds = portfolio.interval_seconds
        members[name] = msgspec.structs.replace(
            members[name], planned=_planned(MemberAccount(entry, after), seconds, now)
        )
    return msgspec.structs.replace(state, members=members)


def changes_of(transfers: Sequence[Transfer], moved: Sequence[int]) -> dict[int, int]:
    """Sum the micros that transfers moved, by campaign number."""
    changes: dict[int, int] = {}
    for one, micros in zip(transfers, moved, strict=True):
        changes[one.source] = changes.get(one.source, 0) - micros
        changes[one.target] = changes.get(one.target, 0) + micros
    return changes


def transfers_of(portfolio: str, allocation: Allocation, campaigns: Mapping[str, MemberAccount]) -> list[Transfer]:
    """Return the moves between campaigns as transfers; what no campaign may take stays where it is."""
    return [
        Transfer(
            campaigns[move.source].entry.number,
            campaigns[move.target].entry.number,
            move.micros,
            portfolio,
            f"{allocation.strategy}: {move.because}",
        )
        for move in allocation.moves
        if RESERVE not in (move.source, move.target)
    ]


def counts_of(seen: MemberAccount) -> Counts:
    """Return the totals of a campaign, from its ledger account."""
    goal, balance = seen.entry.campaign.goal, seen.balance
    events = balance.clicks if goal.kind == "click" else balance.conversions
    value = events * goal.value_micros
    return Counts(balance.spent, balance.bills, balance.clicks, balance.conversions, value)


def _periods(portfolio: Portfolio, campaigns: Iterable[MemberAccount], now: float) -> float:
    """Return how many decisions the money must last for."""
    return max(1.0, max((one.entry.ends - now for one in campaigns), default=0.0) / portfolio.interval_seconds)


def _new(portfolio: Portfolio, seen: MemberAccount, now: float) -> MemberState:
    return MemberState(counts_of(seen), planned=_planned(seen, portfolio.interval_seconds, now))


def _begun_again(known: MemberState, portfolio: Portfolio, seen: MemberAccount, now: float) -> MemberState:
    fresh = _new(portfolio, seen, now)
    return msgspec.structs.replace(known, counts=fresh.counts, planned=fresh.planned)


def _after(
    known: MemberState | None, portfolio: Portfolio, seen: MemberAccount, least: float, now: float
) -> MemberState:
    """Return what is known of a member after another period, with a minimum for what its market bears."""
    if known is None:
        return _new(portfolio, seen, now)
    counts = counts_of(seen)
    period = Counts(*(max(0, new - old) for new, old in zip(counts, known.counts, strict=True)))
    offered = math.floor(PACED * known.planned)
    memory = known.memory.after(period, offered)
    regained = REGAIN * period.spend if period.spend >= offered else 0.0
    memory = memory._replace(reach=min(max(memory.reach, least, regained), _FAR))
    return msgspec.structs.replace(known, counts=counts, memory=memory)


def _planned(seen: MemberAccount, seconds: float, now: float) -> int:
    """Return the micros that pacing would spend in these seconds from now; 0 where the campaign may not bid."""
    entry, balance = seen
    if entry.campaign.status != "active" or not entry.is_in_flight(now):
        return 0
    span = span_of(entry, balance, now)
    return int(span.money_left * min(1.0, seconds / max(span.seconds_left, 1e-9)))


def _state_of(member: Member, seen: MemberAccount, known: MemberState | None, step: int, now: float) -> CampaignState:
    entry, balance = seen
    known = known or MemberState()
    limits = member.limits(step)
    is_over = entry.campaign.flight.ends_at is not None and now >= entry.ends
    if now < entry.starts and entry.campaign.status == "active":  # its response to money is not known yet
        limits = replace(limits, floor=balance.budget, cap=balance.budget)
    length = max(entry.ends - entry.starts, 1e-9)
    state = CampaignState.of(
        entry.campaign,
        balance,
        limits=limits,
        weight=member.weight,
        memory=known.memory,
        targets=member.targets,
        elapsed=min(1.0, max(0.0, (now - entry.starts) / length)),
    )
    return replace(state, paused=state.paused or is_over)


def named(campaigns: Sequence[MemberAccount]) -> dict[str, MemberAccount]:
    """Return the campaigns by id."""
    return {one.entry.campaign.id: one for one in campaigns}
