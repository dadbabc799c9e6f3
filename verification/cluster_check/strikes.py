"""The faults, one after the other, while an exchange trades with every host."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from raybid.local import LaunchError
from verification.cluster_check import report
from verification.cluster_check.report import Outcome
from verification.cluster_check.site import Say, Site, any_but, controllers_host
from verification.cluster_check.traffic import Traffic

_BEFORE_SECONDS = 5.0
"""Time of the rate that must come back."""

_CUT_SECONDS = 20.0
_DOWN_SECONDS = 5.0
_AFTER_SECONDS = 3.0
_RATE_SECONDS = 2.0
_ENOUGH = 0.7
"""Share of the bids before that counts as the full rate: two seconds hold few bids, and chance decides on each."""

_BACK_SECONDS = 240.0
_FULL_SECONDS = 30.0
_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        strike: brings it about.
        heal: undoes it; returns when there is nothing left to undo, which a start may take.
        seconds: time from one to the other.
        struck: hosts that cannot be called meanwhile.
    """

    strike: Callable[[], None]
    heal: Callable[[], None]
    seconds: float
    struck: Collection[int] = field(default_factory=tuple)


class Strikes:
    """The faults on one site.

    Args:
        site: cluster.
        traffic: exchanges.
        say: called with progress.
    """

    def __init__(self, site: Site, traffic: Traffic, say: Say) -> None:
        self._site, self._traffic, self._say = site, traffic, say

    async def carry_out(self, only: Collection[str] = ()) -> dict[str, Outcome]:
        """Carry out all faults, or only some; return what each cost.

        Raises:
            LaunchError: the cluster does not come back.
        """
        faults = {
            report.KILLED: self._host_killed,
            report.CONTROLLER: self._controllers_host,
            report.CUT: self._host_cut,
            report.HEAD_CUT: self._head_cut,
            report.GCS: self._gcs,
            report.POWER: self._power,
        }
        found = {}
        for name, choose in faults.items():
            if only and name not in only:
                continue
            fault = await asyncio.to_thread(choose)
            self._say(f"{name}{f': {self._names(fault.struck)}' if fault.struck else ''}")
            found[name] = outcome = await self._carry_out(name, fault)
            self._say(f"  {outcome.errors} failed, gap {outcome.gap_s} s, full rate after {outcome.full_rate_s} s")
        return found

    async def _carry_out(self, name: str, fault: Fault) -> Outcome:
        hosts = list(self._site.hosts)
        spared = [host for host in hosts if host not in fault.struck]
        await asyncio.sleep(_BEFORE_SECONDS)
        struck_at, failed = time.monotonic(), self._traffic.failed
        rates = {host: self._traffic.rate(host, struck_at - _BEFORE_SECONDS, struck_at) for host in hosts}
        await asyncio.to_thread(fault.strike)
        self._traffic.stop(fault.struck)
        await asyncio.sleep(fault.seconds)
        healed_at = await self._heal(name, fault)
        full = await self._full_rate(rates, healed_at)
        await asyncio.sleep(_AFTER_SECONDS)
        self._traffic.check()
        gap = self._traffic.longest_gap(spared, struck_at, time.monotonic()) if spared else None
        return Outcome(
            errors=self._traffic.failed - failed,
            gap_s=None if gap is None else round(gap, 1),
            full_rate_s=None if full is None else round(full, 1),
        )

    async def _heal(self, name: str, fault: Fault) -> float:
        """Undo a fault, and call the hosts again that can bid; return when all were called."""
        healing = asyncio.ensure_future(asyncio.to_thread(fault.heal))
        waiting, deadline = set(fault.struck), time.monotonic() + _BACK_SECONDS
        while waiting or not healing.done():
            if time.monotonic() > deadline:
                raise LaunchError(f"{name}: {self._names(waiting)} cannot bid after {_BACK_SECONDS:.0f} s")
            for host in list(waiting):
                if await asyncio.to_thread(self._site.can_bid, host):
                    self._traffic.start([host])
                    waiting.discard(host)
            await asyncio.sleep(_LOOK_SECONDS)
        healing.result()
        return time.monotonic()

    async def _full_rate(self, rates: dict[int, float], healed_at: float) -> float | None:
        """Return the seconds until each host bids as often as before, `None` if it never does."""
        while (now := time.monotonic()) < healed_at + _FULL_SECONDS:
            since = now - _RATE_SECONDS
            if all(self._traffic.rate(host, since, now) >= _ENOUGH * rate for host, rate in rates.items()):
                return max(0.0, since - healed_at)
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    def _names(self, hosts: Collection[int]) -> str:
        return ", ".join(self._site.hosts[host].address for host in sorted(hosts))

    def _killed(self, host: int) -> Fault:
        machine = self._site.hosts[host]

        def heal() -> None:
            machine.power_on()
            self._site.await_replicas(_BACK_SECONDS)

        return Fault(machine.power_off, heal, _DOWN_SECONDS, [host])

    def _host_killed(self) -> Fault:
        return self._killed(any_but(self._site, controllers_host(self._site)))

    def _controllers_host(self) -> Fault:
        return self._killed(controllers_host(self._site))

    def _host_cut(self) -> Fault:
        host = any_but(self._site, controllers_host(self._site))
        machine = self._site.hosts[host]
        return Fault(machine.cut, machine.heal, _CUT_SECONDS, [host])

    def _head_cut(self) -> Fault:
        return Fault(self._site.head.cut, self._site.head.heal, _CUT_SECONDS)

    def _gcs(self) -> Fault:
        def strike() -> None:
            (pid,) = self._site.head.node.pids("gcs_server")
            os.kill(pid, signal.SIGKILL)

        return Fault(strike, lambda: self._site.await_replicas(_BACK_SECONDS), _DOWN_SECONDS)

    def _power(self) -> Fault:
        def heal() -> None:
            self._site.power_on()
            self._site.await_replicas(_BACK_SECONDS)

        return Fault(self._site.power_off, heal, _DOWN_SECONDS, list(self._site.hosts))
