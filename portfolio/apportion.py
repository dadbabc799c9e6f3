"""A sum of money shared out by weights under bounds, to the micro-unit.

What everyone gets is `clip(base + level * weight, low, high)`, where one level makes the parts add up: bounds that do
not bind leave the shares proportional. The level is found as Bitran and Hax do ("Disaggregation and resource allocation
using convex knapsack problems with bounded variables", Management Science 1981): take the bounds away, see which side
is violated more, fix those at their bound, repeat. All of it in integers, so nothing is lost to rounding; the micros
that are left after rounding down go to the largest remainders, and among equals to the first by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_GRAINS = 1 << 40  # of the largest weight; a smaller one above 0 has at least one


class InfeasibleBounds(ValueError):
    """What everyone must have at least is more than there is; the message says by how much and what to change."""

    def __init__(self, total: int, least: int) -> None:
        super().__init__(
            f"floors and committed money come to {least} micros, {least - total} more than the total of {total}: "
            f"raise the total, lower floors, or remove campaigns that have a floor"
        )


class Claim(NamedTuple):
    """One who shares, in micros: `0 <= base <= low <= high`.

    Attributes:
        name: whose; all are different.
        weight: finite, from 0 on.
        low: least.
        high: most.
        base: what it has before the weight counts.
    """

    name: str
    weight: float
    low: int
    high: int
    base: int = 0


class Share(NamedTuple):
    """What came of it: `sum(micros) + unallocated` is the total.

    Attributes:
        micros: of each, in the order given.
        unallocated: what is left because everyone has what may be had at most.
    """

    micros: tuple[int, ...]
    unallocated: int


def apportion(total: int, claims: Sequence[Claim]) -> Share:
    """Share `total` micros out.

    Who has weight 0 gets the least, and of what is left when all others have their most, an even part.

    Returns:
        See there; it depends on who has which weight and bounds, not on their order.

    Raises:
        InfeasibleBounds: the least of all is more than the total.
        ValueError: claims that mean nothing.
    """
    _check(claims)
    least = sum(claim.low for claim in claims)
    if least > total:
        raise InfeasibleBounds(total, least)
    parts = [claim.low for claim in claims]
    grains = _whole(claims)
    _fill(total, claims, grains, parts)
    # What is left goes evenly to those without weight, on top of their least.
    idle = [claim._replace(base=claim.low) if not grain else claim for claim, grain in zip(claims, grains, strict=True)]
    _fill(total, idle, [int(not grain) for grain in grains], parts)
    return Share(tuple(parts), total - sum(parts))


def _fill(total: int, claims: Sequence[Claim], grains: Sequence[int], parts: list[int]) -> None:
    """Raise the parts of those who have grains until the total is reached, or all of them have their most."""
    free = [i for i, grain in enumerate(grains) if grain]
    money = total - sum(parts) + sum(parts[i] for i in free)
    if money >= sum(claims[i].high for i in free):
        for i in free:
            parts[i] = claims[i].high
        return
    while free:
        # The level is rise / weight; everything times weight stays whole.
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
    """Whole micros by the largest remainder. One that has a remainder is below its most, which is whole."""
    for i, wished in wish.items():
        parts[i] = wished // weight
    left = money - sum(parts[i] for i in wish)
    for i in sorted(wish, key=lambda i: (-(wish[i] % weight), claims[i].name))[:left]:
        parts[i] += 1


def _whole(claims: Sequence[Claim]) -> list[int]:
    """Weights in grains; to double them all changes nothing."""
    top = max((claim.weight for claim in claims), default=0.0)
    return [max(1, round(claim.weight / top * _GRAINS)) if claim.weight > 0.0 else 0 for claim in claims]


def _check(claims: Sequence[Claim]) -> None:
    if len({claim.name for claim in claims}) < len(claims):
        raise ValueError("two of those who share have the same name")
    for name, weight, low, high, base in claims:
        if not 0.0 <= weight < math.inf:
            raise ValueError(f"{name!r}: its weight {weight!r} should be a finite number from 0 on")
        if not 0 <= base <= low <= high:
            raise ValueError(f"{name!r}: 0 <= base {base} <= low {low} <= high {high} does not hold")
