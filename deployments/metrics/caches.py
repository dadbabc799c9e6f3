"""How often what is remembered between requests is found again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deployments.tally import Tally
from rtb import agents, blocks, features
from rtb.slots import native

_CACHES: Mapping[str, Any] = {
    "feature_bucket": features.bucket,
    "advertiser_domain": blocks.domain,
    "browser": agents.browser_of,
    "native_request": native.remembered,
}
"""By the names their figures have: what a whole replica shares, and what would cost most without."""


class CacheWatch:
    """Counts look-ups since the last time.

    Args:
        tally: where they are counted.
        caches: functions of `functools.lru_cache`, by name.
    """

    def __init__(self, tally: Tally, caches: Mapping[str, Callable[..., Any]] = _CACHES) -> None:
        self._tally = tally
        self._caches: Mapping[str, Any] = caches
        self._seen = dict.fromkeys(caches, (0, 0))

    def look(self) -> None:
        """Count what was looked up since the last call."""
        for name, cache in self._caches.items():
            found = cache.cache_info()
            hits, misses = self._seen[name]
            self._tally.add(f"cache.{name}.hit", found.hits - hits)
            self._tally.add(f"cache.{name}.miss", found.misses - misses)
            self._seen[name] = found.hits, found.misses
