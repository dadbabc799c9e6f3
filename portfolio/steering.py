"""Bids steered to a target cost or return, by a factor on the worth of a campaign's clicks or conversions.

The factor caps the bid per click (or conversion), and in second-price auctions one costs at most its bid: a lower
factor means a lower cost, a higher return and fewer events. It acts only where the credible interval of the cost
excludes the target, so a few lucky or unlucky clicks move nothing; it goes the square root of the way, by at most
`MOST_DOWN` or `MOST_UP` at a time, so that it does not swing before earlier steps show their effect; and it is at most
1: no bid exceeds the worth.

Counts per money spent are Poisson, under a Gamma(1/2, 0) prior, as in `portfolio.metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import gammaincinv

from portfolio.snapshot import CampaignState
from rtb.money.accounts import campaign_of
from rtb.pacing.snapshot import PacingTable

LEAST = 0.05
"""Lowest factor: a campaign that bids nothing learns nothing."""

MOST_DOWN, MOST_UP = 0.8, 1.1
"""Factors of one step. Down is quicker: what is spent beyond a target does not come back."""

SURE = 0.8
"""Coverage of the interval."""

_EDGES = ((1.0 - SURE) / 2.0, (1.0 + SURE) / 2.0)


class Steering(NamedTuple):
    """The factor on a campaign's worth from now on, and the reason."""

    multiplier: float
    because: str


class _Cost(NamedTuple):
    """Cost per event in micros: estimate, lower and upper bound, and target."""

    name: str
    seems: float
    least: float
    most: float
    target: float


def steer(state: CampaignState, current: float) -> Steering:
    """Return the next factor of a campaign.

    Of several targets, the one missed by most counts.

    Args:
        state: campaign to steer; its memory is judged once it has spent its `least_spend`.
        current: current factor, above 0.
    """
    costs = [*_costs(state)]
    if not costs:
        return Steering(1.0, "it has no target")
    if state.counts.spend < state.limits.least_spend or state.memory.spend <= 0.0:
        return Steering(current, "it has not spent enough to be judged")
    worst = max(costs, key=lambda cost: cost.least / cost.target)
    if worst.least <= worst.target <= worst.most:
        return Steering(current, f"{_told(worst)}, too close to its target to tell")
    wanted = math.sqrt(worst.target / worst.seems)
    if worst.most < worst.target and current >= 1.0:
        return Steering(1.0, f"{_told(worst)}, within its target")
    factor = min(MOST_UP, max(MOST_DOWN, wanted))
    multiplier = min(1.0, max(LEAST, current * factor))
    return Steering(multiplier, f"{_told(worst)}, so bids go {'down' if factor < 1.0 else 'up'}")


def _costs(state: CampaignState) -> Iterator[_Cost]:
    memory, targets = state.memory, state.targets
    if targets.cpc is not None:
        yield _cost("a click", memory.spend, memory.clicks, float(targets.cpc))
    if targets.cpa is not None:
        yield _cost("a conversion", memory.spend, memory.conversions, float(targets.cpa))
    if targets.roi is not None:
        events = memory.clicks if state.event == "click" else memory.conversions
        yield _cost(f"a {state.event}", memory.spend, events, state.event_value / (1.0 + targets.roi))


def _cost(name: str, spend: float, events: float, target: float) -> _Cost:
    """Return the cost of one event; with no event, it seems to be twice the whole spend."""
    few, many = gammaincinv(events + 0.5, _EDGES)
    return _Cost(name, spend / (events + 0.5), spend / many, spend / max(few, 1e-300), max(target, 1e-9))


def _told(cost: _Cost) -> str:
    return f"{cost.name} costs {cost.seems:,.0f} micros for a target of {cost.target:,.0f}"


def steered(table: PacingTable, factors: Mapping[int, float]) -> PacingTable:
    """Return a pacing table with the worth of campaigns, and of their arms, multiplied by their factors.

    Args:
        table: table to change in place.
        factors: factors by campaign number; a missing one is 1.
    """
    if factors:
        numbers = campaign_of(table["number"]).tolist()
        factor = np.array([factors.get(number, 1.0) for number in numbers], np.float64)
        worth = table["value_micros"]
        table["value_micros"] = np.where(factor < 1.0, np.maximum(1.0, worth * factor), worth)
    return table
