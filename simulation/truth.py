"""The truth that a CTR model tries to learn: click and conversion probabilities of any user for any campaign.

A logistic model over what a bid request shows. Half of it is common to all campaigns (good publishers, good positions),
half is each campaign's own taste in categories, countries, devices, sizes and segments, so a model has to learn
interactions. A campaign's taste follows from its id alone, so every id has a truth.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from simulation.population import CATEGORIES, COUNTRIES, DEVICE_TYPES, SEGMENTS, SIZES, SYSTEMS, Population

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_CLICK_LOGIT = -5.15  # with the spread below, about one click per hundred impressions
_CONVERSION_LOGIT = -3.2  # about one conversion per twenty clicks
_SIZE = np.array([0.2, -0.1, -0.3, -0.1, 0.3])  # in the order of population.SIZES
_POSITION = np.array([0.25, -0.25, 0.0])  # in the order of population.POSITIONS
_DEVICE = np.array([-0.1, -0.6, 0.15, 0.05])  # in the order of population.DEVICE_TYPES
_HOUR = 0.15  # mild: a replay knows a request's hour least reliably


@dataclass(frozen=True)
class Impressions:
    """Impressions: user, slot and time; every field has shape `(n,)`.

    Attributes:
        user: index into the population's users.
        slot: index into its slots.
        hour: hour of the week in UTC, 0 is Monday 00:00.
    """

    user: Ints
    slot: Ints
    hour: Ints

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class _Taste:
    """A campaign's taste: additions to the logit by attribute value."""

    level: float
    category: Floats
    country: Floats
    device: Floats
    system: Floats
    size: Floats
    segment: Floats
    conversion_level: float
    conversion_segment: Floats


class Truth:
    """The click and conversion probabilities of any impression for any campaign.

    Args:
        population: population that the impressions refer to.
        seed: seed of the part common to all campaigns.
    """

    def __init__(self, population: Population, seed: int) -> None:
        rng = np.random.default_rng([seed, 2])
        self._population = population
        self._quality = rng.normal(0.0, 0.35, len(population.publishers.name))
        self._tastes: dict[str, _Taste] = {}

    def click(self, impressions: Impressions, campaign_id: str, creative_id: str = "") -> Floats:
        """Return the probability of a click on each impression, shape `(n,)`.

        Args:
            impressions: impressions of the campaign.
            campaign_id: campaign of the ad.
            creative_id: creative; each is a little better or worse. Empty: an average one.
        """
        logit = self._click_logit(impressions, campaign_id)
        return _sigmoid(_CLICK_LOGIT + logit + _creative(campaign_id, creative_id))

    def clicks(self, impressions: Impressions, campaign_ids: list[str]) -> Floats:
        """Return the click probabilities for several campaigns, shape `(n, len(campaign_ids))`."""
        if not campaign_ids:
            return np.empty((len(impressions), 0))
        return np.stack([self.click(impressions, campaign_id) for campaign_id in campaign_ids], axis=1)

    def conversion(self, impressions: Impressions, campaign_id: str) -> Floats:
        """Return the probability that a click on each impression converts, shape `(n,)`."""
        taste = self._taste(campaign_id)
        segments = self._population.users.segments[impressions.user]
        return _sigmoid(_CONVERSION_LOGIT + taste.conversion_level + segments @ taste.conversion_segment)

    def _click_logit(self, impressions: Impressions, campaign_id: str) -> Floats:
        users, slots, media = self._population.users, self._population.slots, self._population.publishers
        user, slot = impressions.user, impressions.slot
        publisher, size, device = slots.publisher[slot], slots.size[slot], users.device[user]
        taste = self._taste(campaign_id)
        common = self._quality[publisher] + _SIZE[size] + _POSITION[slots.position[slot]] + _DEVICE[device]
        own = (
            taste.level
            + taste.category[media.category[publisher]]
            + taste.country[users.country[user]]
            + taste.device[device]
            + taste.system[users.system[user]]
            + taste.size[size]
            + users.segments[user] @ taste.segment
        )
        evening = np.cos(2.0 * np.pi * (impressions.hour % 24 - 20) / 24.0)
        clicked: Floats = common + own + _HOUR * evening
        return clicked

    def _taste(self, campaign_id: str) -> _Taste:
        if campaign_id not in self._tastes:
            self._tastes[campaign_id] = _draw_taste(np.random.default_rng(_stable_hash(campaign_id)))
        return self._tastes[campaign_id]


def _draw_taste(rng: np.random.Generator) -> _Taste:
    return _Taste(
        level=float(rng.normal(0.0, 0.2)),
        category=rng.normal(0.0, 0.5, len(CATEGORIES)),
        country=rng.normal(0.0, 0.3, len(COUNTRIES)),
        device=rng.normal(0.0, 0.3, len(DEVICE_TYPES)),
        system=rng.normal(0.0, 0.15, len(SYSTEMS)),
        size=rng.normal(0.0, 0.2, len(SIZES)),
        segment=rng.normal(0.0, 0.5, len(SEGMENTS)),
        conversion_level=float(rng.normal(0.0, 0.2)),
        conversion_segment=rng.normal(0.0, 0.3, len(SEGMENTS)),
    )


@lru_cache(maxsize=1 << 14)
def _creative(campaign_id: str, creative_id: str) -> float:
    if not creative_id:
        return 0.0
    return float(np.random.default_rng(_stable_hash(f"{campaign_id}/{creative_id}")).normal(0.0, 0.15))


def _stable_hash(text: str) -> int:
    """Hash a text to a seed, the same in every process (unlike Python's own `hash`)."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _sigmoid(logit: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-logit))
