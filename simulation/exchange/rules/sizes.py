"""Banner sizes: a bid's size must be one that the request allows."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.raw import Json, integer, number, objects

_RATIO_SLACK = 0.02  # pixels are integers, ratios are not


def size(case: BidCase) -> Iterator[str]:
    """Check that a banner has an allowed size; players scale other formats."""
    if case.format != "banner":
        return
    w, h = integer(case.bid.get("w")), integer(case.bid.get("h"))
    if not w or not h:
        yield f"a banner of size {case.bid.get('w')!r} x {case.bid.get('h')!r}"
    elif not allows_size(case.slot, w, h):
        yield f"{w}x{h} is not allowed"


def exact_sizes(banner: Json) -> list[tuple[int, int]]:
    """Return the sizes that a banner names, those in `format` first."""
    entries = [*objects(banner.get("format")), banner]
    pairs = [(integer(entry.get("w")) or 0, integer(entry.get("h")) or 0) for entry in entries]
    return list(dict.fromkeys((w, h) for w, h in pairs if w > 0 and h > 0))


def flexible_sizes(banner: Json) -> list[tuple[float, float, int]]:
    """Return the ratios that a banner allows (2.4.10, flex ads): width, height, minimum width in pixels."""
    found = []
    for entry in objects(banner.get("format")):
        across, down = number(entry.get("wratio")) or 0, number(entry.get("hratio")) or 0
        if across > 0 and down > 0:
            found.append((across, down, integer(entry.get("wmin")) or 1))
    return found


def size_range(banner: Json) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the minimum and maximum size by the deprecated fields `wmin` to `hmax`; None if absent."""
    bounds = {name: integer(banner.get(name)) or 0 for name in ("wmin", "hmin", "wmax", "hmax")}
    if not (bounds["wmax"] > 0 and bounds["hmax"] > 0):
        return None
    return (max(bounds["wmin"], 1), max(bounds["hmin"], 1)), (bounds["wmax"], bounds["hmax"])


def names_a_size(banner: Json) -> bool:
    """Return whether a banner restricts its size in any way."""
    return bool(exact_sizes(banner) or flexible_sizes(banner) or size_range(banner))


def allows_size(banner: Json, w: int, h: int) -> bool:
    """Return whether a size fits a banner; a banner without any restriction takes all."""
    if not names_a_size(banner) or (w, h) in exact_sizes(banner):
        return True
    for across, down, least in flexible_sizes(banner):
        if w >= least and abs(w / h - across / down) <= _RATIO_SLACK * across / down:
            return True
    bounds = size_range(banner)
    return bounds is not None and bounds[0][0] <= w <= bounds[1][0] and bounds[0][1] <= h <= bounds[1][1]
