"""Counters of what was asked and answered: counted here, added up in Redis, so that any replica can tell them all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import redis.asyncio as aioredis

_KEY = "raybid:counters"


class Tally:
    """Counts by name.

    Args:
        client: where the totals lie.
    """

    def __init__(self, client: aioredis.Redis) -> None:
        self._client: Any = client
        self._pending: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        """Count something."""
        self._pending[name] += amount

    async def flush(self) -> None:
        """Add what was counted to the totals; on an error it is kept for the next time."""
        sending, self._pending = self._pending, Counter()
        if not sending:
            return
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                for name, amount in sending.items():
                    pipe.hincrby(_KEY, name, amount)
                await pipe.execute()
        except BaseException:
            self._pending.update(sending)
            raise

    async def totals(self) -> dict[str, int]:
        """Every counter over all replicas, this one's up to now, the others' up to their last flush."""
        await self.flush()
        rows = await self._client.hgetall(_KEY)
        return {name.decode(): int(value) for name, value in sorted(rows.items())}
