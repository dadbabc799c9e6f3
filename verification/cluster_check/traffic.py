"""An exchange for each host's ingress, and when each of them got bids."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

from simulation.exchange import ReplayFigures, ReplayOptions, Unreachable, run
from verification.faults.notices import Diary, FaultySettler, Shares

_TICK_SECONDS = 0.1
_ANSWERS = (200, 204)
_HONEST = Shares(0.0, 0.0, 0.0, 0.0)


@dataclass
class Timeline:
    """When bids came.

    Attributes:
        at: monotonic times, in order, each with at least one bid since the time before.
        bids: bids up to each of them.
    """

    at: list[float] = field(default_factory=list)
    bids: list[int] = field(default_factory=list)

    def note(self, bids: int, at: float) -> None:
        """Note more bids, if there are any, at a time."""
        if bids:
            self.bids.append(bids + (self.bids[-1] if self.bids else 0))
            self.at.append(at)

    def longest_gap(self, since: float, until: float) -> float:
        """Return the longest time without a bid between two moments, in seconds."""
        inside = [moment for moment in self.at if since < moment < until]
        edges = [since, *inside, until]
        return max(later - earlier for earlier, later in pairwise(edges))

    def rate(self, since: float, until: float) -> float:
        """Return bids a second between two moments."""
        return (self._until(until) - self._until(since)) / (until - since)

    def _until(self, moment: float) -> int:
        place = bisect_left(self.at, moment)
        return self.bids[place - 1] if place else 0


class HostTraffic:
    """An exchange that calls one ingress for as long as a balancer before the hosts would.

    Attributes:
        timeline: when bids came.
        failed: requests without a proper answer.

    Args:
        options: of the replay.
        diary: charges of all exchanges.
        notice_ttl: seconds that notices are honoured.
    """

    def __init__(self, options: ReplayOptions, diary: Diary, notice_ttl: float) -> None:
        self._options = replace(options, tick_seconds=_TICK_SECONDS)
        self._make_settler = partial(
            FaultySettler, diary=diary, shares=_HONEST, notice_ttl=notice_ttl, seed=options.seed
        )
        self._now: asyncio.Task[object] | None = None
        self._before: list[asyncio.Task[object]] = []
        self.timeline = Timeline()
        self.failed = 0

    def start(self) -> None:
        """Begin to call it, or begin again."""
        self._now = asyncio.ensure_future(self._trade())

    def stop(self) -> None:
        """Send it no more requests; notices of what it bid are still sent."""
        if self._now is not None:
            self._now.cancel()
            self._before.append(self._now)
            self._now = None

    @property
    def is_on(self) -> bool:
        """Whether it is being called."""
        return self._now is not None

    async def finish(self) -> None:
        """Stop, and wait until all notices are sent."""
        self.stop()
        await asyncio.gather(*self._before, return_exceptions=True)

    def check(self) -> None:
        """Raise what ended it.

        Raises:
            Exception: whatever that was.
        """
        if self._now is not None and self._now.done():
            self._now.result()

    async def _trade(self) -> object:
        seen = _Seen()

        def tick(figures: ReplayFigures) -> None:
            self.timeline.note(figures.bids - seen.bids, time.monotonic())
            seen.bids = figures.bids
            failed = failed_requests(figures)
            self.failed += failed - seen.failed
            seen.failed = failed

        while True:
            try:
                return await run(self._options, tick, self._make_settler)
            except Unreachable:
                await asyncio.sleep(_TICK_SECONDS)


@dataclass
class _Seen:
    bids: int = 0
    failed: int = 0


def failed_requests(figures: ReplayFigures) -> int:
    """Count the bid requests that got no answer, or another one than a bid or a no-bid."""
    wrong = sum(count for status, count in figures.statuses.items() if status not in _ANSWERS)
    return wrong + figures.errors["bid_transport"]


class Traffic:
    """The exchanges of all hosts.

    Args:
        options: of the replay of each, by host.
        notice_ttl: seconds that notices are honoured.
    """

    def __init__(self, options: Mapping[int, ReplayOptions], notice_ttl: float) -> None:
        self.diary = Diary()
        self._hosts = {host: HostTraffic(one, self.diary, notice_ttl) for host, one in options.items()}

    def start(self, hosts: Iterable[int]) -> None:
        """Begin to call these hosts that are not called."""
        for host in hosts:
            if not self._hosts[host].is_on:
                self._hosts[host].start()

    def stop(self, hosts: Iterable[int]) -> None:
        """Send these hosts no more requests."""
        for host in hosts:
            self._hosts[host].stop()

    def check(self) -> None:
        """Raise what ended an exchange."""
        for host in self._hosts.values():
            host.check()

    @property
    def failed(self) -> int:
        """Requests without a proper answer, of all hosts."""
        return sum(host.failed for host in self._hosts.values())

    def longest_gap(self, hosts: Iterable[int], since: float, until: float) -> float:
        """Return the longest time in which one of these hosts did not bid, in seconds."""
        return max((self._hosts[host].timeline.longest_gap(since, until) for host in hosts), default=0.0)

    def rate(self, host: int, since: float, until: float) -> float:
        """Return a host's bids a second between two moments."""
        return self._hosts[host].timeline.rate(since, until)

    async def finish(self) -> None:
        """Stop, and wait until all notices are sent."""
        await asyncio.gather(*(host.finish() for host in self._hosts.values()))
