"""Frequency caps: how often one user may be shown one campaign, counted by the notices that are charged.

A counter is a key with an expiry: its window begins with the first impression and is forgotten `seconds` later.
Users are kept by a keyed hash only (`rtb.targeting.users`). Users who are not known, or may not be, have no counter: a
cap says nothing of them. An impression counts when it is charged, so bids under way at once may pass a cap together.
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
"""After a failure the server is left alone for this long: waiting for it would cost every batch its time."""

_FORGET_AT_ONCE = 1_000


class Cap(NamedTuple):
    """At most `most` impressions of a campaign to one user in `seconds`."""

    most: int
    seconds: float


class Verdict(NamedTuple):
    """Which candidates may not bid, shape `(n,)`, and why they may not."""

    barred: npt.NDArray[np.bool_]
    reason: NoBid


def caps_of(listings: Sequence[Listing]) -> dict[int, Cap]:
    """The caps of a catalog by campaign number."""
    caps = {listing.number: listing.campaign.frequency for listing in listings}
    return {number: Cap(cap.count, cap.seconds) for number, cap in caps.items() if cap is not None}


class FrequencyGate:
    """Looks up and raises counters.

    Args:
        client: where the counters lie.
        timeout: most seconds to wait for it.
        clock: monotonic seconds.
    """

    def __init__(self, client: aioredis.Redis, *, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._client: Any = client
        self._timeout = timeout
        self._clock = clock
        self._caps: Mapping[int, Cap] = {}
        self._capped = np.zeros(0, np.int64)
        self._rest_until = -np.inf

    def recap(self, caps: Mapping[int, Cap]) -> None:
        """Hold campaigns to these caps from now on; a counter that runs keeps its window."""
        self._caps = caps
        self._capped = np.array(sorted(caps), np.int64)

    async def check(self, campaign: npt.NDArray[np.int32], user: npt.NDArray[np.uint64]) -> Verdict:
        """Which candidates may not bid; at most one round trip, none where nothing is capped.

        Where the counters cannot be read in time, no capped campaign bids for a known user.

        Args:
            campaign: number of each candidate's campaign, shape `(n,)`.
            user: key of each candidate's user, 0 for nobody known, shape `(n,)`.
        """
        barred = np.zeros(len(campaign), bool)
        if not len(self._capped):
            return Verdict(barred, NoBid.USER_CAP)
        asked = np.flatnonzero((user != 0) & np.isin(campaign, self._capped))
        if not len(asked):
            return Verdict(barred, NoBid.USER_CAP)
        rows = list(zip(campaign[asked].tolist(), user[asked].tolist(), strict=True))
        pairs = sorted(set(rows))
        seen = await self._seen(pairs)
        if seen is None:
            barred[asked] = True
            return Verdict(barred, NoBid.FREQUENCY_AWAY)
        full = {pair for pair, count in zip(pairs, seen, strict=True) if count >= self._caps[pair[0]].most}
        barred[asked] = [row in full for row in rows]
        return Verdict(barred, NoBid.USER_CAP)

    async def count(self, campaign: int, user: int) -> bool:
        """Count an impression that was charged; `False` when it could not be, and is not held against the user.

        Never raises for a server that is away: the money is settled, and its notice must be acknowledged.
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
        """Remove the counters of users, by their keys, for these campaigns; how many there were.

        Raises:
            RedisError: the server does not answer.
        """
        keys = [_key(campaign, user) for user in users for campaign in campaigns]
        parts = (keys[start : start + _FORGET_AT_ONCE] for start in range(0, len(keys), _FORGET_AT_ONCE))
        return sum([int(await self._client.unlink(*some)) for some in parts])

    async def _seen(self, pairs: Sequence[tuple[int, int]]) -> list[int] | None:
        """Impressions counted of each pair; `None` when the server does not say so in time."""
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
