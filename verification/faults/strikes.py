"""Kill parts of a running platform with SIGKILL, and time the recovery."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import redis

from raybid.local.environment import authentication, dashboard_headers
from rtb.runtime import calls
from rtb.runtime.settings import Settings
from simulation.exchange import ReplayFigures, Unreachable

_LOOK_SECONDS = 0.2
_GIVE_UP_SECONDS = 60.0
_ANSWERS = 20  # bids after the kill that prove that bidding goes on
_PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """One kill.

    Attributes:
        part: part that was killed.
        pid: process that was killed.
        at: time in the run, seconds.
        recovered_s: time until it was back, health was good and bids were answered; None: not within a minute.
    """

    part: str
    pid: int
    at: float
    recovered_s: float | None


class FaultInjector:
    """A killer of parts, in turn, while an exchange trades.

    Attributes:
        injected: kills so far.

    Args:
        settings: settings of the platform.
        figures: current figures of the exchange.
        restart_server: function that restarts the ledger's server where the platform does not.
        say: called with progress, a line at a time.
    """

    def __init__(
        self,
        settings: Settings,
        figures: Callable[[], ReplayFigures],
        restart_server: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._figures = figures
        self._restart_server = restart_server
        self._say = say
        self._began = time.monotonic()
        self.injected: list[InjectedFault] = []
        self._headers = dashboard_headers(authentication(settings))
        self._http = calls.async_client(settings.base_url, timeout=_PROBE_TIMEOUT_S)

    async def strike_all(self, plan: Sequence[tuple[float, str]]) -> None:
        """Kill each part at its time, but never before the previous one has recovered."""
        async with self._http:
            for second, part in plan:
                await asyncio.sleep(max(0.0, self._began + second - time.monotonic()))
                self.injected.append(await self._strike(part))

    async def _strike(self, part: str) -> InjectedFault:
        is_server = part == "ledger server"
        running = [await asyncio.to_thread(self._server_pid)] if is_server else await self._running(part)
        pid, expected = running[0], len(running)
        bids_before, killed_at = self._figures().bids, time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self._say(f"kill -9 {part} (pid {pid})")
        if is_server:
            await asyncio.to_thread(self._restart_server)
        recovered = None
        while recovered is None and time.monotonic() < killed_at + _GIVE_UP_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            if await self._is_back(part, pid, expected) and self._figures().bids >= bids_before + _ANSWERS:
                recovered = round(time.monotonic() - killed_at, 1)
        self._say(f"{part}: {f'recovered after {recovered} s' if recovered else 'did not recover within a minute'}")
        return InjectedFault(part, pid, round(killed_at - self._began, 1), recovered)

    async def _is_back(self, part: str, killed: int, expected: int) -> bool:
        try:
            if part == "ledger server":
                there = await asyncio.to_thread(self._server_pid) != killed
            else:
                pids = await self._pids(part)
                there = killed not in pids and len(pids) >= expected
            health = await self._http.get(f"{self._settings.base_url}/health")
        except (httpx.HTTPError, redis.RedisError, OSError, KeyError):
            return False
        return there and health.status_code == 200

    async def _running(self, deployment: str) -> list[int]:
        """Return `_pids` once there is one, patiently: under load Ray's dashboard takes longer than a probe's time."""
        ends = time.monotonic() + _GIVE_UP_SECONDS
        while time.monotonic() < ends:
            with contextlib.suppress(httpx.HTTPError, KeyError):
                if pids := await self._pids(deployment):
                    return pids
            await asyncio.sleep(_LOOK_SECONDS)
        raise Unreachable(f"within a minute Ray's dashboard told no running replica of {deployment}")

    async def _pids(self, deployment: str) -> list[int]:
        """Return the process ids of a deployment's running replicas."""
        url = f"http://127.0.0.1:{self._settings.dashboard_port}/api/serve/applications/"
        details: dict[str, Any] = (await self._http.get(url, headers=self._headers)).json()
        replicas = details["applications"]["raybid"]["deployments"][deployment]["replicas"]
        return [int(replica["pid"]) for replica in replicas if replica["state"] == "RUNNING"]

    def _server_pid(self) -> int:
        with redis.Redis.from_url(self._settings.ledger_url, socket_timeout=_PROBE_TIMEOUT_S) as client:
            return int(client.info("server")["process_id"])
