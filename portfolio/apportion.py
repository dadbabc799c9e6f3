"""A sum of money shared out by weights within bounds, to the micro-unit.

Everyone gets `clip(base + level * weight, low, high)`, with the one level at which the parts add up to the total: where
no bound binds, the shares are proportional. The level is found as by Bitran and Hax ("Disaggregation and resource
allocation using convex knapsack problems with bounded variables", Management Science 1981): drop the bounds, see which
side is violated more, fix those claims at their bound, repeat. The arithmetic is in integers, so nothing is lost; the
micros left by rounding down go to the largest remainders, ties to the first by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_GRAINS = 1 << 40  # units that the largest weight is scaled to; a smaller weight above 0 has at least one


class InfeasibleBounds(ValueError):
    """An error for minimums that exceed the total; the message says by how much and what to change."""

    def __init__(self, total: int, least: int) -> None:
        super().__init__(
            f"floors and committed money come to {least} micros, {least - total} more than the total of {total}: "
            f"raise the total, lower floors, or remove campaigns that have a floor"
        )


class Claim(NamedTuple):
    """A claim to a share, in micros: `0 <= base <= low <= high`.

    Attributes:
        name: unique name of the claimant.
        weight: finite, at least 0.
        low: minimum.
        high: maximum.
        base: part it has before its weight counts.
    """

    name: str
    weight: float
    low: int
    high: int
    base: int = 0


class Share(NamedTuple):
    """The result: `sum(micros) + unallocated` is the total.

    Attributes:
        micros: part of each claim, in the order given.
        unallocated: what is left when every claim is at its maximum.
    """

    micros: tuple[int, ...]
    unallocated: int


def apportion(total: int, claims: Sequence[Claim]) -> Share:
    """Divide `total` micros among claims.

    A claim of weight 0 gets its minimum, and an even part of what is left once all others have their maximum.

    Returns:
        The parts, which depend on weights and bounds, not on the order of the claims.

    Raises:
        InfeasibleBounds: the minimums exceed the total.
        ValueError: invalid claims.
    """
    _check(claims)
    least = sum(claim.low for claim in claims)
    if least > total:
        raise InfeasibleBounds(total, least)
    parts = [claim.low for claim in claims]
    grains = _whole(claims)
    _fill(total, claims, grains, parts)
    # What is left goes evenly to claims without weight, on top of their minimums.
    idle = [claim._replace(base=claim.low) if not grain else claim for claim, grain in zip(claims, grains, strict=True)]
    _fill(total, idle, [int(not grain) for grain in grains], parts)
    return Share(tuple(parts), total - sum(parts))


def _fill(total: int, claims: Sequence[Claim], grains: Sequence[int], parts: list[int]) -> None:
    """Raise the parts of claims with grains until the total is reached or all have their maximum."""
    free = [i for i, grain in enumerate(grains) if grain]
    money = total - sum(parts) + sum(parts[i] for i in free)
    if money >= sum(claims[i].high for i in free):
        for i in free:
            parts[i] = claims[i].high
        return
    while free:
        # The level is rise / weight; every product with weight stays an integer.
        weight = sum(grains[i] for i in free)
        rise = money - sum(claims[i].base for i in free)
        wish = {i: claims[i].base * weight + rise * grains[i] for i in free}
        over = {i: wish[i] - claims[i].high * weight for i in free if wish[i] > claims[i].high * weight}
        under = {i: claims[i].low * weight - wish[i] for i in free if wish[i] < claims[i].low * weight}
        if not over and not under:
            _round(money, claims, wish, weight, parts)
            return
        lead = sum(over.values()) - sum(under.values())
        for i in [*(over if lead >= 0 else ()), *(under if lead <= 0 else ())]:
            parts[i] = claims[i].high if i in over else claims[i].low
            money -= parts[i]
            free.remove(i)


def _round(money: int, claims: Sequence[Claim], wish: dict[int, int], weight: int, parts: list[int]) -> None:
    """Round to whole micros by largest remainder; maximums are whole, so a claim with a remainder is below its own."""
    for i, wished in wish.items():
        parts[i] = wished // weight
    left = money - sum(parts[i] for i in wish)
    for i in sorted(wish, key=lambda i: (-(wish[i] % weight), claims[i].name))[:left]:
        parts[i] += 1


def _whole(claims: Sequence[Claim]) -> list[int]:
    """Return weights in grains; the result does not depend on the scale of the weights."""
    top = max((claim.weight for claim in claims), default=0.0)
    return [max(1, round(claim.weight / top * _GRAINS)) if claim.weight > 0.0 else 0 for claim in claims]


def _check(claims: Sequence[Claim]) -> None:
    if len({claim.name for claim in claims}) < len(claims):
        raise ValueError("two claims have the same name")
    for name, weight, low, high, base in claims:
        if not 0.0 <= weight < math.inf:
            raise ValueError(f"{name!r}: its weight {weight!r} should be a finite number of at least 0")
        if not 0 <= base <= low <= high:
            raise ValueError(f"{name!r}: 0 <= base {base} <= low {low} <= high {high} does not hold")
