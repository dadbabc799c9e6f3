"""Allocation by dual mirror descent on the shared budget, with a return constraint for each campaign.

The budget has a price, and each campaign asks for the money that is worth it at that price. When demand exceeds the
budget the price rises, else it falls: entropic mirror descent in the dual, which makes the update multiplicative
(Balseiro, Lu and Mirrokni, "The Best of Many Worlds: Dual Mirror Descent for Online Allocation Problems", arXiv
2011.10124: regret of the order of the root of the horizon for independent requests, and guarantees for drifting ones).
A campaign with a target has a multiplier of its own, for the constraint that value is at least a multiple of spend:
`1 + roi` for a target ROI, `worth / cost` for a target cost of a click or conversion. This is how Feng, Padmanabhan
and Wang ("Online Bidding Algorithms for Return-on-Spend Constrained Advertisers", arXiv 2208.13713) combine it with
the budget's price. Campaign `i` then asks for the x with the greatest

    (1 + multiplier_i) * value_i(x) - (price + multiplier_i * required_i) * x

Their guarantees assume that a request is seen before it is decided on. Here value is forecast (`portfolio.response`),
so they hold as far as the forecast does. A period is thousands of requests, so the price takes several steps in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from portfolio.allocation import Allocation, share_out
from portfolio.bounds import bounds_of
from portfolio.response import Curves, best_share, curves_of, movable
from portfolio.returns import returns_of
from portfolio.snapshot import CampaignState, Snapshot

Floats = npt.NDArray[np.float64]

STEPS = 40
"""Steps of the price per allocation."""

PRICE_RATE = 0.15
"""Maximum change of the logarithm of the price per step, scaled by how far demand is off."""

TARGET_RATE = 0.1
"""Speed at which a campaign's multiplier follows its shortfall, as a share of its spend."""

_MOST_MULTIPLIER = 20.0


@dataclass(frozen=True)
class DualState:
    """State carried from one allocation to the next.

    Attributes:
        log_price: log of the budget's price; none: not known yet.
        multipliers: multipliers of campaigns' return constraints, by id; a missing one is 0.
    """

    log_price: float | None = None
    multipliers: Mapping[str, float] = field(default_factory=dict)


def allocate_dual(snapshot: Snapshot, state: DualState = DualState()) -> tuple[Allocation, DualState]:
    """Share out the movable money by prices; return the allocation and the next state.

    Raises:
        InfeasibleBounds: see `portfolio.apportion`.
    """
    bounds = bounds_of(snapshot)
    returns = returns_of(snapshot)
    priority = np.array([one.weight for one in snapshot.campaigns], np.float64)
    curves = curves_of(snapshot, returns.mean, returns.judged, returns.pooled)
    multiplier = _multipliers(snapshot, state)
    asked = _Demand(curves, np.maximum(priority, 1e-12), multiplier, _required(snapshot), *movable(snapshot, bounds))
    log_price = asked.first_price() if state.log_price is None else state.log_price
    for _ in range(STEPS):
        log_price += PRICE_RATE * asked.excess(log_price)
    target = np.where(priority > 0.0, asked.at(log_price), 0.0)
    reasons = [_reason(mean, log_price, strength) for mean, strength in zip(returns.mean, multiplier, strict=True)]
    allocation = share_out("dual", snapshot, target.tolist(), reasons, bounds=bounds)
    kept = {one.id: float(m) for one, m in zip(snapshot.campaigns, multiplier, strict=True) if m > 0.0}
    return allocation, DualState(log_price, kept)


@dataclass(frozen=True)
class _Demand:
    """Demand of the campaigns at a price of the budget."""

    curves: Curves
    priority: Floats
    multiplier: Floats
    required: Floats
    low: Floats
    high: Floats
    total: float

    def at(self, log_price: float) -> Floats:
        """Return the demand in micros on top of committed money, within bounds, shape `(n,)`."""
        price = np.exp(log_price) + self.multiplier * self.required
        worth = np.log(self.priority + self.multiplier)
        demand: Floats = np.clip(self.curves.demand(np.log(price) - worth), self.low, self.high)
        return demand

    def excess(self, log_price: float) -> float:
        """Return the excess demand as a share of the money there is, clipped to -1 to 1."""
        if self.total <= 0.0:
            return 0.0
        return float(np.clip(self.at(log_price).sum() / self.total - 1.0, -1.0, 1.0))

    def first_price(self) -> float:
        """Return the marginal value of a micro at the best allocation without return constraints: the initial price."""
        curves = Curves(self.curves.scale + np.log(self.priority), self.curves.power)
        share = best_share(curves, self.low, self.high, self.total)
        inside = (share > self.low) & (share < self.high)
        slope = np.log(curves.power * curves.value(share) / np.maximum(share, 1.0) + 1e-300)
        chosen = slope[inside] if inside.any() else slope
        return float(np.median(chosen)) if len(chosen) else 0.0


def _required(snapshot: Snapshot) -> Floats:
    """Return the value that a micro has to bring in, by the targets, shape `(n,)`; 0 without a target."""
    return np.array([_required_of(one) for one in snapshot.campaigns], np.float64)


def _required_of(one: CampaignState) -> float:
    """Return the requirement of the strictest of several targets."""
    memory, targets = one.memory, one.targets
    required = [0.0 if targets.roi is None else 1.0 + targets.roi]
    for cost, event, count in ((targets.cpc, "click", memory.clicks), (targets.cpa, "conversion", memory.conversions)):
        if cost is not None:
            worth = one.event_value if event == one.event else memory.value / count if count > 0.0 else 0.0
            required.append(worth / max(cost, 1))
    return max(required)


def _multipliers(snapshot: Snapshot, state: DualState) -> Floats:
    """Take one step along each campaign's shortfall in the memory, a projected subgradient, shape `(n,)`."""
    stepped = []
    for one in snapshot.campaigns:
        before, required = state.multipliers.get(one.id, 0.0), _required_of(one)
        if required <= 0.0:
            stepped.append(0.0)
        elif one.memory.spend <= 0.0:
            stepped.append(before)
        else:
            shortfall = required - one.memory.value / one.memory.spend
            stepped.append(min(_MOST_MULTIPLIER, max(0.0, before + TARGET_RATE * shortfall)))
    return np.array(stepped, np.float64)


def _reason(mean: float, log_price: float, multiplier: float) -> str:
    told = f"a micro there brings in {mean:.3g}, and the budget's price is {np.exp(log_price):.3g}"
    return f"{told}, and its target holds it back" if multiplier > 0.0 else told
