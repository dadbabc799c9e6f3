"""A portfolio of campaigns on one budget: its members, and what each strategy would allocate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from portfolio.allocation import Allocation
from portfolio.bandit import allocate_bandit
from portfolio.dual import DualState, allocate_dual
from portfolio.guard import steadied
from portfolio.memory import KEEP, Counts
from portfolio.performance import Metric, allocate_by_performance
from portfolio.proportional import allocate_proportional
from portfolio.snapshot import CampaignState, Snapshot, SnapshotError

Strategy = Literal["proportional", "performance", "bandit", "dual"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
"""Names of the strategies, for `MultiCampaignManager.allocate`."""

LEAST_MOVE = 0.005
"""Share of the total below which a budget change is not worth making."""


class MultiCampaignManager:
    """A set of campaigns that share one budget.

    An `allocate_...` call returns an allocation and changes no budget; `apply` makes it effective. State that
    strategies carry from one call to the next, the bandit's generator and the dual prices, is kept here.

    Args:
        total: micros to share out, including what the campaigns have committed.
        campaigns: initial members.
        generator: generator for the bandit's draws; none: seeded with 0.
        least_move: share of the total below which a budget is left as it is (`portfolio.guard`).
        periods: how many periods the money must last, see `Snapshot`.

    Raises:
        SnapshotError: inconsistent campaigns.
    """

    def __init__(
        self,
        total: int,
        campaigns: Iterable[CampaignState] = (),
        *,
        generator: np.random.Generator | None = None,
        least_move: float = LEAST_MOVE,
        periods: float = 1.0,
    ) -> None:
        self.total = total
        self.least_move = least_move
        self.periods = periods
        self.dual_state = DualState()
        self._generator = generator if generator is not None else np.random.default_rng(0)
        self._campaigns = {one.id: one for one in Snapshot(total, campaigns, periods).campaigns}

    def __getitem__(self, name: str) -> CampaignState:
        return self._campaigns[name]

    def observe(self, name: str, period: Counts, offered: int | None = None, keep: float = KEEP) -> None:
        """Add what happened to a campaign in one period to its counts and its memory; leave its money alone.

        Args:
            name: campaign id.
            period: what happened.
            offered: micros it could have spent, see `Memory.after`.
            keep: weight of earlier periods, likewise.
        """
        one = self[name]
        memory = one.memory.after(period, offered, keep)
        self._campaigns[name] = replace(one, counts=one.counts.plus(period), memory=memory)

    def snapshot(self) -> Snapshot:
        """Return the portfolio as it stands."""
        return Snapshot(self.total, self._campaigns.values(), self.periods)

    def allocate_budget_proportional(self) -> Allocation:
        """Allocate by priority: `portfolio.proportional`."""
        return self._steady(allocate_proportional(self.snapshot()))

    def allocate_budget_performance_based(self, metric: Metric = "roi") -> Allocation:
        """Allocate by priority times a metric: `portfolio.performance`."""
        return self._steady(allocate_by_performance(self.snapshot(), metric))

    def allocate_budget_mab(self, explore_rate: float = 0.2) -> Allocation:
        """Allocate by Thompson sampling: `portfolio.bandit`."""
        return self._steady(allocate_bandit(self.snapshot(), self._generator, explore_rate))

    def allocate_budget_dual(self) -> Allocation:
        """Allocate by dual mirror descent: `portfolio.dual`."""
        allocation, self.dual_state = allocate_dual(self.snapshot(), self.dual_state)
        return self._steady(allocation)

    def allocate(self, strategy: str) -> Allocation:
        """Allocate by the strategy of that name.

        Raises:
            ValueError: there is no strategy of that name.
        """
        ways = {
            "proportional": self.allocate_budget_proportional,
            "performance": self.allocate_budget_performance_based,
            "bandit": self.allocate_budget_mab,
            "dual": self.allocate_budget_dual,
        }
        if strategy not in ways:
            raise ValueError(f"no strategy {strategy!r}: there are {', '.join(ways)}")
        return ways[strategy]()

    def apply(self, allocation: Allocation) -> None:
        """Set the budgets to those of an allocation.

        Raises:
            SnapshotError: it is for other campaigns, or another total.
        """
        if set(allocation.micros) != set(self._campaigns):
            raise SnapshotError("the allocation is for other campaigns: allocate again")
        if sum(allocation.micros.values()) + allocation.unallocated != self.total:
            raise SnapshotError(f"the allocation does not add up to the total of {self.total}: allocate again")
        for name, micros in allocation.micros.items():
            self._campaigns[name] = replace(self._campaigns[name], budget=micros)

    def _steady(self, allocation: Allocation) -> Allocation:
        return steadied(self.snapshot(), allocation, self.least_move)
