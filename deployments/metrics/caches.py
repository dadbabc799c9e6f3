"""Hit rates of what is cached between requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployments.tally import Tally
from rtb.inventory import device
from rtb.inventory.slots import native
from rtb.openrtb import domains
from rtb.runtime.caches import MemoizedFunction

_CACHES: Mapping[str, MemoizedFunction[Any]] = {
    "advertiser_domain": domains.domain,
    "browser": device.by_header,
    "native_request": native.asked_for,
}
"""By the names their figures have: what a whole replica shares, and what would cost most without."""


class CacheWatch:
    """Counts cache look-ups."""

    def __init__(self, tally: Tally, caches: Mapping[str, MemoizedFunction[Any]] = _CACHES) -> None:
        self._tally = tally
        self._caches = caches
        self._seen = dict.fromkeys(caches, (0, 0))

    def look(self) -> None:
        """Count the look-ups since the last call."""
        for name, cache in self._caches.items():
            hits, misses = self._seen[name]
            self._seen[name] = cache.hits, cache.misses
            self._tally.add(f"cache.{name}.hit", self._seen[name][0] - hits)
            self._tally.add(f"cache.{name}.miss", self._seen[name][1] - misses)
