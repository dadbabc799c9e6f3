"""Counters: counted in memory, summed in Redis, so that any replica can report those of all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import redis.asyncio as aioredis

from rtb.runtime.outbox import Outbox, Stamp, once

_KEY = "raybid:counters"

_ADD = """
-- ARGV: sender, number, key, then names and amounts
if not is_new(ARGV[1], ARGV[2]) then return 0 end
for i = 4, #ARGV, 2 do redis.call('HINCRBY', ARGV[3], ARGV[i], ARGV[i + 1]) end
return 1
"""


class Tally:
    """Counters by name."""

    def __init__(self, client: aioredis.Redis) -> None:
        self._client: Any = client
        self._pending: Counter[str] = Counter()
        self._script: Any = client.register_script(once(_ADD))
        self._outbox: Outbox[Counter[str]] = Outbox(self._deliver)

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        self._pending[name] += amount

    async def flush(self) -> None:
        """Add the pending counts to the totals, exactly once; on an error keep them for the next call."""
        await self._outbox.send(self._take)

    async def totals(self) -> dict[str, int]:
        """Return the totals over all replicas: this one's up to now, the others' up to their last flush."""
        await self.flush()
        rows = await self._client.hgetall(_KEY)
        return {name.decode(): int(value) for name, value in sorted(rows.items())}

    def _take(self) -> Counter[str] | None:
        taken, self._pending = self._pending, Counter()
        return taken or None

    async def _deliver(self, stamp: Stamp, counts: Counter[str]) -> None:
        await self._script(args=[*stamp, _KEY, *(part for count in counts.items() for part in count)])
