"""The market: a stream of auctions, thousands per call, and who wins them at what price."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from simulation.competition import Competition
from simulation.population import APP, DESKTOP, DEVICE_TYPES, MOBILE_WEB, PC, PUBLISHERS, TV, make_population
from simulation.truth import Impressions, Truth

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MONDAY = 1_767_571_200
"""Start of simulated time: Monday 5 January 2026, 00:00 UTC, in Unix seconds."""

HOUR, WEEK = 3_600, 168 * 3_600

_APP_SHARE = 0.6  # share of the impressions on phones and tablets


@dataclass(frozen=True)
class Auctions(Impressions):
    """A batch of auctions in time order; every field has shape `(n,)`.

    Attributes:
        number: running number within the market.
        time: Unix seconds.
        floor_micros: floor price of the impression.
        market_price_micros: highest competing price; nobody knows it before the auction.
    """

    number: Ints
    time: Floats
    floor_micros: Ints
    market_price_micros: Ints

    def take(self, index: Ints | Bools) -> Auctions:
        """Select auctions by position or mask."""
        return Auctions(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


class SimulatedMarket:
    """A market that its seed determines completely.

    Args:
        seed: seed of the whole market.
        traffic_seed: seed of visitors and competing bids, to vary them within the same market.
        publishers: number of sites and apps.
        users: number of people.
        auctions_per_second: mean rate in simulated time; it varies with the hour.
    """

    def __init__(
        self,
        seed: int,
        *,
        publishers: int = PUBLISHERS,
        users: int = 5_000,
        auctions_per_second: float = 100.0,
        traffic_seed: int | None = None,
    ) -> None:
        if auctions_per_second <= 0:
            raise ValueError("auctions_per_second must be above 0")
        self.seed = seed
        self.population = make_population(seed, publishers=publishers, users=users)
        self.truth = Truth(self.population, seed)
        self.competition = Competition(self.population, seed)
        self._rate = auctions_per_second
        self._rng = np.random.default_rng([seed, 4] if traffic_seed is None else [seed, 4, traffic_seed])
        self._time = float(MONDAY)
        self._number = 0
        self._user_steps = _cumulative(self.population.users.activity)
        self._slots_of = [np.flatnonzero(self.population.slots.form == form) for form in (DESKTOP, MOBILE_WEB, APP)]
        popularity = self.population.publishers.popularity[self.population.slots.publisher]
        self._slot_steps = [_cumulative(popularity[slots]) for slots in self._slots_of]

    def step(self, n: int) -> Auctions:
        """Return the next `n` auctions."""
        time = self._advance(n)
        user = _draw(self._rng, self._user_steps, n)
        slot = self._visit(user)
        hour = ((time - MONDAY) // HOUR).astype(np.int64) % 168
        number = np.arange(self._number, self._number + n, dtype=np.int64)
        self._number += n
        return Auctions(
            user=user,
            slot=slot,
            hour=hour,
            number=number,
            time=time,
            floor_micros=self.population.slots.floor_micros[slot],
            market_price_micros=self.competition.prices(self._rng, slot, time - MONDAY),
        )

    def _advance(self, n: int) -> Floats:
        """Draw the times of the next `n` auctions: a Poisson stream, busiest in the evening (UTC)."""
        hour = (self._time - MONDAY) / HOUR
        rate = self._rate * (1.0 + 0.5 * np.sin(2.0 * np.pi * (hour - 14.0) / 24.0))
        time = self._time + np.cumsum(self._rng.exponential(1.0 / rate, n))
        self._time = float(time[-1]) if n else self._time
        return time

    def _visit(self, user: Ints) -> Ints:
        """Draw a slot for each user: one their device can show, popular publishers more often."""
        device = np.array(DEVICE_TYPES)[self.population.users.device[user]]
        app = (device == TV) | ((device != PC) & (self._rng.random(len(user)) < _APP_SHARE))
        form = np.where(app, APP, np.where(device == PC, DESKTOP, MOBILE_WEB))
        slot = np.empty(len(user), np.int64)
        for kind in (DESKTOP, MOBILE_WEB, APP):
            here = form == kind
            slot[here] = self._slots_of[kind][_draw(self._rng, self._slot_steps[kind], int(here.sum()))]
        return slot


def _cumulative(weights: Floats) -> Floats:
    cumulative: Floats = np.cumsum(weights) / weights.sum()
    return cumulative


def _draw(rng: np.random.Generator, cumulative: Floats, n: int) -> Ints:
    """Draw `n` indices with the probabilities that `cumulative` sums up."""
    drawn = np.searchsorted(cumulative, rng.random(n), side="right")
    return np.minimum(drawn, len(cumulative) - 1)  # rounding may leave the last step just below 1
