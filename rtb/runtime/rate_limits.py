"""Rate limits shared by all replicas: checked in memory, reconciled in Redis a few times a second.

Each name (such as a key's id) has one token bucket in Redis. A replica admits calls from its own part of the bucket and
reports them; the bucket answers with what is left, which is shared evenly by the replicas that use the name. So the hot
path makes no round trip, and what one replica overdraws is debt that all of them pay back.

Over any window, all replicas together admit at most `rate * window + slack`, where `slack` is
`2 * burst + 3 * rate * PERIOD_SECONDS + 2 * replicas`: the bucket, what replicas may overdraw between two reports, and
the one call that each may always make while the bucket is not empty.

Without Redis each replica continues with its last part, `rate / replicas` and `burst / replicas`, and with one in
`expected` for a name it never asked Redis about. What it admitted is reported later, and forgiven beyond `burst` and a
second's rate.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple

import redis.asyncio as aioredis

PERIOD_SECONDS = 0.2
"""How often `sync` should be called."""

MOST_NAMES = 4_096
"""Most names tracked at once; further names share one limit until some are idle."""

_OTHERS = "others"
_IDLE_SECONDS = 5.0  # a name not asked for this long is dropped here, as rate_limits.lua drops its user


class Limit(NamedTuple):
    """A rate limit.

    Attributes:
        rate: calls a second in the long run, above 0.
        burst: calls at once after a pause, at least 1; below `rate * PERIOD_SECONDS + 1` the rate is not reached.
    """

    rate: float
    burst: float


class _Part:
    """One replica's part of a bucket.

    `tokens` calls may still be admitted here, `shared` were in the bucket when Redis was last asked; both as of `at`.
    """

    __slots__ = ("asked", "at", "limit", "replicas", "shared", "tokens", "used")

    def __init__(self, limit: Limit, replicas: int, now: float) -> None:
        self.limit = limit
        self.used = 0
        self.asked = now
        self.fill(limit.burst, replicas, now)

    def fill(self, shared: float, replicas: int, now: float) -> None:
        """Reset to what is in the bucket, less what was admitted since the report."""
        self.replicas = max(1, replicas)
        self.shared = shared - self.used
        # At least one whole call: the parts of a small bucket would round down to none.
        self.tokens = max(shared / self.replicas, min(shared, 1.0)) - self.used
        self.at = now

    def grow(self, now: float) -> None:
        """Add the tokens that accrued since `at`."""
        came = max(0.0, now - self.at) * self.limit.rate
        most = max(1.0, self.limit.burst / self.replicas)
        self.tokens = max(self.tokens, min(most, self.tokens + came / self.replicas))
        self.shared = min(self.limit.burst, self.shared + came)
        self.at = now


class Limiter:
    """One replica's side of the rate limits. Call `sync` every `PERIOD_SECONDS`.

    Args:
        client: client of the server that holds the buckets.
        expected: replicas assumed to share a name until Redis says how many do.
        clock: monotonic seconds.
        shared_clock: seconds that all replicas agree on; none: the server's.
    """

    def __init__(
        self,
        client: aioredis.Redis,
        *,
        expected: int = 4,
        clock: Callable[[], float] = time.monotonic,
        shared_clock: Callable[[], float] | None = None,
    ) -> None:
        source = (resources.files("rtb.runtime") / "rate_limits.lua").read_text()
        self._script: Any = client.register_script(source)
        self._expected = expected
        self._clock = clock
        self._shared_clock = shared_clock
        self._replica = secrets.token_hex(8)
        self._parts: dict[str, _Part] = {}

    def allow(self, name: str, limit: Limit) -> bool:
        """Return whether one more call of this name is within its limit; no round trip, never waits."""
        now = self._clock()
        part = self._parts.get(name)
        if part is None:
            if len(self._parts) >= MOST_NAMES:
                name = _OTHERS
            part = self._parts.setdefault(name, _Part(limit, self._expected, now))
        part.limit, part.asked = limit, now
        part.grow(now)
        if part.tokens < 1.0:
            return False
        part.tokens -= 1.0
        part.shared -= 1.0
        part.used += 1
        return True

    def wait(self, name: str) -> float:
        """Return the seconds until a call of this name may be admitted, 0 for now; `Retry-After` rounds them up."""
        part = self._parts.get(name, self._parts.get(_OTHERS))
        if part is None:
            return 0.0
        part.grow(self._clock())
        if part.tokens >= 1.0:
            return 0.0
        alone = (1.0 - part.tokens) * part.replicas / part.limit.rate
        together = (1.0 - part.shared) / part.limit.rate
        return min(alone, max(together, PERIOD_SECONDS))

    async def sync(self) -> None:
        """Report admitted calls and refill the parts: one round trip for all names.

        Raises:
            redis.exceptions.RedisError, OSError: the server is unavailable; the next call reports the same again.
        """
        now = self._clock()
        self._parts = {
            name: part for name, part in self._parts.items() if part.used or now - part.asked < _IDLE_SECONDS
        }
        sent = [(part, part.used) for part in self._parts.values()]
        if not sent:
            return
        arguments: list[str | float] = [self._replica, self._shared_clock() if self._shared_clock else ""]
        for name, part in self._parts.items():
            arguments += [name, part.limit.rate, part.limit.burst, part.used]
        answer = await self._script(args=arguments)
        for place, (part, used) in enumerate(sent):
            part.used -= used  # calls were admitted while the report was in flight
            part.fill(float(answer[2 * place]), int(answer[2 * place + 1]), self._clock())
