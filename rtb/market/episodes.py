"""Worlds to learn pacing in: one campaign's auctions over a flight, with landscape, drift and budget at random.

An episode holds only what a pacing decision depends on: the price to beat and the predicted CTR of each
auction. It follows from its own seed alone, so it is the same drawn alone or among a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

UNWINNABLE = 2**53
"""Price of the auctions a quiet step lacks, in micros."""

_TRAITS = 16  # uniform numbers that shape an episode, one for each quantity in _Traits


@dataclass(frozen=True)
class Shape:
    """Size of an episode.

    Attributes:
        steps: pacing decisions in it.
        auctions: most auctions between two decisions; quiet steps have fewer.
    """

    steps: int = 40
    auctions: int = 250


@dataclass(frozen=True)
class Episodes:
    """A batch of `e` episodes of `s` steps of at most `k` auctions.

    Attributes:
        price_micros: highest competing price (or floor), shape `(e, s, k)`; `UNWINNABLE` where there is no auction.
        pctr: predicted CTR, shape `(e, s, k)`; 0 where there is no auction.
        opportunities: auctions in each step, shape `(e, s)`.
        value_per_click_micros: shape `(e,)`.
        budget_micros: shape `(e,)`.
        usual_pctr: what the campaign believes its mean pCTR to be, shape `(e,)`; a forecast, so a little off.
        usual_price_micros: what it believes the mean clearing price to be, shape `(e,)`; off by more.
        usual_opportunities: how many auctions a step it expects, shape `(e,)`.
    """

    price_micros: Ints
    pctr: Singles
    opportunities: Ints
    value_per_click_micros: Floats
    budget_micros: Ints
    usual_pctr: Floats
    usual_price_micros: Floats
    usual_opportunities: Floats

    def __len__(self) -> int:
        return len(self.budget_micros)


def sample_episodes(seeds: Sequence[int], shape: Shape = Shape()) -> Episodes:
    """Draw one episode for each seed.

    Per episode, all independent: price level (median 300 to 3,000 micros) and spread; pCTR level (0.3% to 3%) and
    spread; how far price follows pCTR; a daily wave and a random walk of prices; in one of three a sudden jump of
    the level; a hard floor that piles up prices in one point; a traffic wave; value per click (0.7 to 3 times
    the price at mean pCTR); budget (1/32 to 1/2 of what all auctions cost, log-uniform); errors of the forecasts.
    """
    uniform, walk, noise = _draw(seeds, shape)
    trait = _Traits(uniform)
    log_price, log_pctr = _landscape(trait, walk, noise, shape)
    opportunities = _traffic(trait, shape)
    there = np.arange(shape.auctions) < opportunities[:, :, None]
    price = np.maximum(np.rint(np.exp(log_price)), trait.floor[:, None, None]).astype(np.int64)
    pctr = np.where(there, np.minimum(np.exp(log_pctr), np.float32(0.5)), np.float32(0.0))
    count = opportunities.sum(axis=1).astype(np.float64)
    total = np.where(there, price, 0).sum(axis=(1, 2)).astype(np.float64)
    mean_price = total / count
    mean_pctr = pctr.sum(axis=(1, 2), dtype=np.float64) / count
    return Episodes(
        price_micros=np.where(there, price, UNWINNABLE),
        pctr=pctr,
        opportunities=opportunities,
        value_per_click_micros=np.rint(trait.worth * mean_price / mean_pctr),
        budget_micros=np.rint(trait.budget * total).astype(np.int64),
        usual_pctr=mean_pctr * trait.pctr_error,
        usual_price_micros=mean_price * trait.price_error,
        usual_opportunities=opportunities.mean(axis=1),
    )


class _Traits:
    """What distinguishes the episodes: uniform numbers, shape `(e, _TRAITS)`, turned into quantities `(e,)`."""

    def __init__(self, uniform: Floats) -> None:
        column = iter(uniform.T)
        self.price_level = _log_uniform(next(column), 300.0, 3_000.0)
        self.price_spread = _linear(next(column), 0.3, 0.9)
        self.pctr_level = _log_uniform(next(column), 0.003, 0.03)
        self.pctr_spread = _linear(next(column), 0.3, 0.9)
        self.correlation = _linear(next(column), 0.0, 0.5)
        self.wave = _linear(next(column), 0.0, 0.4)
        self.phase = _linear(next(column), 0.0, 2.0 * np.pi)
        self.walk = _linear(next(column), 0.0, 0.08)
        jump, when = next(column), next(column)
        self.jump = np.where(jump < 1 / 3, _linear(jump * 3.0, -0.7, 0.7), 0.0)
        self.jump_time = when
        self.floor = np.rint(self.price_level * _linear(next(column), 0.0, 0.5))
        self.traffic = _linear(next(column), 0.0, 0.7)
        self.worth = _log_uniform(next(column), 0.7, 3.0)
        self.budget = _log_uniform(next(column), 1 / 32, 1 / 2)
        self.pctr_error = _log_uniform(next(column), 0.8, 1.25)
        # A campaign's clearing prices are those it wins, below the market's mean: its belief may be far off.
        self.price_error = _log_uniform(next(column), 0.5, 1.25)


def _draw(seeds: Sequence[int], shape: Shape) -> tuple[Floats, Floats, Singles]:
    """Every random number of every episode: uniform `(e, _TRAITS)`, steps `(e, s)`, auctions `(e, 2, s, k)`.

    The one loop over episodes there is: each has its own generator, which is what makes it independent of
    its neighbours.
    """
    uniform = np.empty((len(seeds), _TRAITS))
    walk = np.empty((len(seeds), shape.steps))
    noise = np.empty((len(seeds), 2, shape.steps, shape.auctions), np.float32)
    for i, seed in enumerate(seeds):
        rng = np.random.Generator(np.random.SFC64(seed))
        rng.random(out=uniform[i])
        rng.standard_normal(out=walk[i])
        rng.standard_normal(out=noise[i], dtype=np.float32)
    return uniform, walk, noise


def _landscape(trait: _Traits, walk: Floats, noise: Singles, shape: Shape) -> tuple[Singles, Singles]:
    """Logarithms of price and pCTR, shape `(e, s, k)`."""
    time = np.arange(shape.steps) / shape.steps
    level = (
        np.log(trait.price_level)[:, None]
        + trait.wave[:, None] * np.sin(2.0 * np.pi * time + trait.phase[:, None])
        + trait.walk[:, None] * np.cumsum(walk, axis=1)
        + np.where(time >= trait.jump_time[:, None], trait.jump[:, None], 0.0)
    )
    common, own = noise[:, 0], noise[:, 1]  # what competitors know of the impression's quality too, and the rest
    follows, rest = trait.correlation * trait.price_spread, np.sqrt(1.0 - trait.correlation**2) * trait.price_spread
    log_price = _wide(level) + _wide(follows[:, None]) * common + _wide(rest[:, None]) * own
    log_pctr = _wide(np.log(trait.pctr_level)[:, None]) + _wide(trait.pctr_spread[:, None]) * common
    return log_price, log_pctr


def _traffic(trait: _Traits, shape: Shape) -> Ints:
    """Auctions in each step, shape `(e, s)`, between 1 and `shape.auctions`: a daily wave of its own phase."""
    time = np.arange(shape.steps) / shape.steps
    quiet = trait.traffic[:, None] * (0.5 + 0.5 * np.sin(2.0 * np.pi * time - trait.phase[:, None]))
    return np.maximum(np.rint(shape.auctions * (1.0 - quiet)), 1.0).astype(np.int64)


def _wide(values: Floats) -> Singles:
    """Ready to be combined with `(e, s, k)` in single precision, which halves the memory moved."""
    return values.astype(np.float32)[:, :, None]


def _linear(uniform: Floats, low: float, high: float) -> Floats:
    return low + (high - low) * uniform


def _log_uniform(uniform: Floats, low: float, high: float) -> Floats:
    logarithm: Floats = np.exp(np.log(low) + np.log(high / low) * uniform)
    return logarithm
