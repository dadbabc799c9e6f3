"""Limits by address: on guessed keys, and on calls without a key."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from deployments.callers import UNKNOWN, Callers
from rtb.runtime.security import Event, SecurityLog
from rtb.runtime.settings import Settings

GUESSES_A_MINUTE = 30
"""Wrong keys of one address; whoever has a typing error notices it sooner."""

SYNCS_A_MINUTE = 300
"""User syncs of one address, behind which may be many people; a browser syncs once in days."""

_OPEN_SHARE = 4
"""One call in so many of those an address may make without a key is for what needs none, such as `/health`."""

REFUSALS_A_MINUTE = 60
"""Refusals that one address gets at once; each that follows is late."""

_LATE_SECONDS = 0.2
_MOST_LATE = 256
"""Answers that may be on their way late; those above are sent at once, for they too hold memory."""

_MOST_ADDRESSES = 10_000
_MINUTE = 60.0


class AddressLimit:
    """Counts calls by address, in minutes that begin with an address's first call.

    It holds a bounded number of addresses: when there are more, those that began longest ago are forgotten.

    Args:
        per_minute: calls of one address.
        most: addresses that are remembered.
        clock: monotonic seconds.
    """

    def __init__(
        self, per_minute: int, most: int = _MOST_ADDRESSES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_minute = per_minute
        self._most = most
        self._clock = clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, address: str) -> bool:
        """Count a call; return whether it is within the limit."""
        now = self._clock()
        began, count = self._counts.get(address, (now, 0))
        if now - began >= _MINUTE:
            del self._counts[address]
            began, count = now, 0
        self._counts[address] = began, count + 1
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count < self.per_minute

    def is_over(self, address: str) -> bool:
        """Return whether one more call would be over the limit."""
        began, count = self._counts.get(address, (0.0, 0))
        return count >= self.per_minute and self._clock() - began < _MINUTE

    def wait(self, address: str) -> int:
        """Return the whole seconds until the address may call again."""
        began, _ = self._counts.get(address, (self._clock(), 0))
        return max(1, math.ceil(began + _MINUTE - self._clock()))


class AccessGuard:
    """Address limits of a replica, and its security log.

    Attributes:
        callers: finds addresses.
        guesses: counts wrong keys.
        keyless: counts calls without a key.
        unkeyed: counts calls of routes that need no key.
        syncs: counts user syncs.
        refusals: counts refusals.
        log: the security log.

    Args:
        settings: trusted proxies, and calls a minute without a key.
        count: adds 1 to a counter by its name.
        write: writes a line of the log.
    """

    def __init__(self, settings: Settings, count: Callable[[str], object], write: Callable[[str], object]) -> None:
        self.callers = Callers(settings.trusted_proxies)
        self.guesses = AddressLimit(GUESSES_A_MINUTE)
        self.keyless = AddressLimit(settings.calls_per_minute)
        self.unkeyed = AddressLimit(max(1, settings.calls_per_minute // _OPEN_SHARE))
        self.syncs = AddressLimit(SYNCS_A_MINUTE)
        self.refusals = AddressLimit(REFUSALS_A_MINUTE)
        self._late = 0
        self.log = SecurityLog(count, write)

    def is_locked(self, scope: Mapping[str, Any]) -> bool:
        """Return whether an address sent so many wrong keys that its keys are refused unseen.

        A proxy on this machine that does not forward addresses is never locked out: it stands for everybody.
        """
        if not self.guesses:
            return False
        address = self.callers.group(scope)
        return self.guesses.is_over(address) and not _is_shared(address)

    def wrong_key(self, scope: Mapping[str, Any], revoked_id: str = "") -> bool:
        """Count a wrong key; return whether its address may try another.

        Args:
            scope: of the request.
            revoked_id: id of the key, where it was revoked.
        """
        address = self.callers.group(scope)
        may = self.guesses.add(address)
        event: Event = "key_guessing" if not may else "key_revoked" if revoked_id else "key_unknown"
        self.log.note(event, f"{address} key {revoked_id}" if revoked_id else address, str(scope.get("path", "")))
        return may

    async def slow_down(self, scope: Mapping[str, Any]) -> None:
        """Delay a refusal to an address that gets many.

        A caller that sends its next request after the last answer then sends few, and others need not wait for them.
        """
        if self.refusals.add(self.callers.group(scope)) or self._late >= _MOST_LATE:
            return
        self._late += 1
        try:
            await asyncio.sleep(_LATE_SECONDS * random.uniform(0.5, 1.5))  # those who came together go apart
        finally:
            self._late -= 1


def _is_shared(address: str) -> bool:
    return address == UNKNOWN or ("/" not in address and ip_address(address).is_loopback) or address == "::/64"
