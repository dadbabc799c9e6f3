"""Competing bids: the highest competing price of each auction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulation.population import Population

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MEDIAN = 1_000.0  # micros an impression, that is CPM 1.00
_SIZE = np.array([0.1, 0.0, -0.35, -0.1, 0.3])  # in the order of population.SIZES
_POSITION = np.array([0.15, -0.15, 0.0])  # in the order of population.POSITIONS
_SPREAD = 0.55
_DAY = 86_400.0
_KNOT = 600.0  # seconds between two points of the random walk


class Competition:
    """Log-normal highest prices whose level depends on the slot and drifts during the day.

    Args:
        population: population whose slots are sold.
        seed: seed of levels and drift.
    """

    def __init__(self, population: Population, seed: int) -> None:
        rng = np.random.default_rng([seed, 3])
        slots = population.slots
        publisher = rng.normal(0.0, 0.3, len(population.publishers.name))
        slot = rng.normal(0.0, 0.1, len(slots.size))
        level = publisher[slots.publisher] + slot + _SIZE[slots.size] + _POSITION[slots.position]
        self._level = np.log(_MEDIAN) + level
        self._phase = float(rng.uniform(0.0, _DAY))
        self._walk = _mean_reverting_walk(rng, round(7 * _DAY / _KNOT))

    def prices(self, rng: np.random.Generator, slot: Ints, seconds: Floats) -> Ints:
        """Return the highest competing prices in micros, shape `(n,)`, at least 1.

        Args:
            rng: generator for the unexplained part of each price.
            slot: slots sold, shape `(n,)`.
            seconds: since the market's start, shape `(n,)`.
        """
        log_price = self._level[slot] + self.drift(seconds) + rng.normal(0.0, _SPREAD, len(slot))
        prices: Ints = np.maximum(np.rint(np.exp(log_price)), 1).astype(np.int64)
        return prices

    def drift(self, seconds: Floats) -> Floats:
        """Return the shift of all log prices at a time: a daily wave and a slow random walk with a weekly period."""
        wave = 0.2 * np.sin(2.0 * np.pi * (seconds + self._phase) / _DAY)
        knots = np.arange(len(self._walk)) * _KNOT
        return wave + np.interp(seconds, knots, self._walk, period=len(self._walk) * _KNOT)


def _mean_reverting_walk(rng: np.random.Generator, length: int) -> Floats:
    """Return a random walk with mean reversion: standard deviation about 0.15, memory about eight hours."""
    keep = 0.98
    shocks = rng.normal(0.0, 0.15 * np.sqrt(1.0 - keep**2), length)
    walk = np.zeros(length)
    for i in range(1, length):
        walk[i] = keep * walk[i - 1] + shocks[i]
    return walk
