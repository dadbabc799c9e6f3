"""Frequency caps: how often one user may see one campaign, counted by charged notices.

A counter is a key with an expiry: its window begins with the first impression and ends `seconds` later. Users are
stored as a keyed hash only (`rtb.targeting.users`). Unknown users, and those that privacy signals forbid to identify,
have no counter and no cap. An impression counts when it is charged, so concurrent bids may exceed a cap together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import redis.asyncio as aioredis
from redis.exceptions import RedisError

from rtb.openrtb import NoBid
from rtb.targeting.listing import Listing

_REST_SECONDS = 0.5
"""Seconds without calls to the server after a failure: waiting for it would delay every batch."""

_FORGET_AT_ONCE = 1_000


class ImpressionCap(NamedTuple):
    """A cap of `most` impressions of a campaign per user in `seconds`."""

    most: int
    seconds: float


class FrequencyCheck(NamedTuple):
    """A mask of the candidates that may not bid, shape `(n,)`, and the reason."""

    barred: npt.NDArray[np.bool_]
    reason: NoBid


def caps_of(listings: Sequence[Listing]) -> dict[int, ImpressionCap]:
    """Return the caps of a catalog by campaign number."""
    caps = {listing.number: listing.campaign.frequency for listing in listings}
    return {number: ImpressionCap(cap.count, cap.seconds) for number, cap in caps.items() if cap is not None}


class FrequencyGate:
    """The gate that enforces frequency caps.

    Args:
        client: client of the server that holds the counters.
        timeout: most seconds to wait for the server.
        clock: monotonic seconds.
    """

    def __init__(self, client: aioredis.Redis, *, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._client: Any = client
        self._timeout = timeout
        self._clock = clock
        self._caps: Mapping[int, ImpressionCap] = {}
        self._capped = np.zeros(0, np.int64)
        self._rest_until = -np.inf

    def recap(self, caps: Mapping[int, ImpressionCap]) -> None:
        """Set the caps; running counters keep their windows."""
        self._caps = caps
        self._capped = np.array(sorted(caps), np.int64)

    async def check(self, campaign: npt.NDArray[np.int32], user: npt.NDArray[np.uint64]) -> FrequencyCheck:
        """Return which candidates may not bid; at most one round trip, none where nothing is capped.

        Where the counters cannot be read in time, no capped campaign bids for a known user.

        Args:
            campaign: number of each candidate's campaign, shape `(n,)`.
            user: key of each candidate's user, 0 for an unknown one, shape `(n,)`.
        """
        barred = np.zeros(len(campaign), bool)
        if not len(self._capped):
            return FrequencyCheck(barred, NoBid.USER_CAP)
        asked = np.flatnonzero((user != 0) & np.isin(campaign, self._capped))
        if not len(asked):
            return FrequencyCheck(barred, NoBid.USER_CAP)
        rows = list(zip(campaign[asked].tolist(), user[asked].tolist(), strict=True))
        pairs = sorted(set(rows))
        seen = await self._seen(pairs)
        if seen is None:
            barred[asked] = True
            return FrequencyCheck(barred, NoBid.FREQUENCY_AWAY)
        full = {pair for pair, count in zip(pairs, seen, strict=True) if count >= self._caps[pair[0]].most}
        barred[asked] = [row in full for row in rows]
        return FrequencyCheck(barred, NoBid.USER_CAP)

    async def count(self, campaign: int, user: int) -> bool:
        """Count a charged impression; return false where the server is unavailable and it is not counted.

        It never raises for a server that is unavailable: the money is settled, and its notice must be acknowledged.
        """
        cap = self._caps.get(campaign)
        if cap is None or not user:
            return True
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.set(_key(campaign, user), 0, px=max(1, int(cap.seconds * 1_000)), nx=True)
                pipe.incr(_key(campaign, user))
                await asyncio.wait_for(pipe.execute(), self._timeout)
        except (RedisError, OSError, TimeoutError):
            return False
        return True

    async def forget(self, users: Sequence[int], campaigns: Sequence[int]) -> int:
        """Remove the counters of users, by their keys, for these campaigns; return how many there were.

        Raises:
            RedisError: the server does not answer.
        """
        keys = [_key(campaign, user) for user in users for campaign in campaigns]
        parts = (keys[start : start + _FORGET_AT_ONCE] for start in range(0, len(keys), _FORGET_AT_ONCE))
        return sum([int(await self._client.unlink(*some)) for some in parts])

    async def _seen(self, pairs: Sequence[tuple[int, int]]) -> list[int] | None:
        """Return the counted impressions of each pair; `None` where the server does not answer in time."""
        if self._clock() < self._rest_until:
            return None
        try:
            keys = [_key(*pair) for pair in pairs]
            return [int(value or 0) for value in await asyncio.wait_for(self._client.mget(keys), self._timeout)]
        except (RedisError, OSError, TimeoutError):
            self._rest_until = self._clock() + _REST_SECONDS
            return None


def _key(campaign: int, user: int) -> str:
    return f"raybid:frequency:{campaign}:{user:016x}"
