"""Simulated campaigns, as varied as real ones."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rtb.campaigns.campaign import Budget, Campaign, Goal, Targeting
from rtb.campaigns.creative import Creative
from simulation.population import (
    CATEGORIES,
    COUNTRIES,
    PC,
    PHONE,
    PUBLISHERS,
    SEGMENTS,
    SIZES,
    TABLET,
    publisher_name,
)

_CONVERSION_WORTH = 20  # clicks per conversion, so that both goals bid about alike


def sample_campaigns(
    n: int,
    seed: int,
    *,
    budget_micros: int = 50_000_000,
    flight_seconds: float = 86_400.0,
    publishers: int = PUBLISHERS,
) -> list[Campaign]:
    """Draw `n` campaigns, named from `camp-001` on; the same arguments give the same campaigns.

    Args:
        n: number of campaigns.
        seed: seed of the draw.
        budget_micros: median budget; budgets lie between half and twice of it.
        flight_seconds: length of each flight.
        publishers: number of publishers in the market they target.
    """
    rng = np.random.default_rng([seed, 5])
    return [_campaign(rng, number, budget_micros, flight_seconds, publishers) for number in range(1, n + 1)]


def _campaign(
    rng: np.random.Generator, number: int, budget_micros: int, flight_seconds: float, publishers: int
) -> Campaign:
    kind = CATEGORIES[rng.integers(len(CATEGORIES))]
    identity, domain = f"camp-{number:03d}", f"advertiser-{number:03d}.example"
    return Campaign(
        id=identity,
        name=f"{kind[0].title()} {number}",
        adomain=(domain,),
        cat=(kind[1],),
        budget=Budget(
            total_micros=max(1, round(budget_micros * 2.0 ** rng.uniform(-1.0, 1.0))), flight_seconds=flight_seconds
        ),
        goal=_goal(rng),
        targeting=_targeting(rng, publishers),
        creatives=_creatives(rng, identity, domain),
    )


def _goal(rng: np.random.Generator) -> Goal:
    """Draw a goal. A click is worth 0.08 to 0.30 units: a CTR of 1% gives bids near the market's prices."""
    click = round(float(np.exp(rng.uniform(np.log(80_000), np.log(300_000)))))
    kind: Literal["click", "conversion"] = "conversion" if rng.random() < 0.2 else "click"
    return Goal(kind=kind, value_micros=click * _CONVERSION_WORTH if kind == "conversion" else click)


def _creatives(rng: np.random.Generator, campaign_id: str, domain: str) -> tuple[Creative, ...]:
    """Draw one creative for each of three to all of the sizes."""
    chosen = sorted(rng.permutation(len(SIZES))[: rng.integers(3, len(SIZES) + 1)])
    return tuple(
        Creative(
            id=f"{w}x{h}",
            w=w,
            h=h,
            image_url=f"https://cdn.example/{campaign_id}/{w}x{h}.png",
            landing_url=f"https://{domain}/offer",
        )
        for w, h in (SIZES[i] for i in chosen)
    )


def _targeting(rng: np.random.Generator, publishers: int) -> Targeting:
    """Draw one kind: everyone, countries, devices, apps or sites, publishers, segments, or office hours."""
    countries = tuple(sorted(str(c) for c in rng.choice(COUNTRIES, 3, replace=False)))
    segments = tuple(sorted(str(s) for s in rng.choice(SEGMENTS, 3, replace=False)))
    names = tuple(publisher_name(int(i)) for i in np.sort(rng.choice(publishers, publishers // 3, replace=False)))
    kinds = (
        Targeting(),
        Targeting(countries=countries),
        Targeting(device_types=(PHONE, TABLET) if rng.random() < 0.5 else (PC,)),
        Targeting(inventory=("app",) if rng.random() < 0.5 else ("site",)),
        Targeting(publishers=names),
        Targeting(segments=segments),
        Targeting(countries=countries, exclude_publishers=names[:5]),
        Targeting(hours=tuple(day * 24 + hour for day in range(7) for hour in range(6, 22))),
    )
    return kinds[rng.choice(len(kinds), p=[0.3, 0.15, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05])]
