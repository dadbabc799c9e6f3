"""Look-ups are counted once each."""

from __future__ import annotations

from collections import Counter

from deployments.metrics.caches import CacheWatch
from rtb.runtime.caches import MemoizedFunction


class _Tally:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        self.counts[name] += amount


def test_hits_and_misses_since_the_last_look() -> None:
    squared = MemoizedFunction(lambda x: x * x, "squares", 1 << 16)
    tally = _Tally()
    watch = CacheWatch(tally, {"squared": squared})  # type: ignore[arg-type]
    for x in (1, 2, 1, 1):
        squared(x)
    watch.look()
    watch.look()
    squared(2)
    watch.look()
    assert tally.counts == {"cache.squared.hit": 3, "cache.squared.miss": 2}


def test_what_is_watched_can_be_watched() -> None:
    tally = _Tally()
    CacheWatch(tally).look()  # type: ignore[arg-type]
    assert len(tally.counts) == 6
