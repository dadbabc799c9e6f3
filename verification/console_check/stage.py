"""The setting of the check: a platform with models, a portfolio, an experiment, traffic, and the console."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.mock import patch

import httpx
from rich.console import Console
from rich.progress import track

from raybid.local import LaunchError, Platform
from raybid.local.environment import ROOT
from raybid.local.ports import free_ports
from rtb.models.registry import Registry
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from simulation import reference

Say = Callable[[str], None]

_ONE_EACH = {name: {"max_replicas": 1} for name in ("Router", "CTRModel", "RLBidder")}
_IMPRESSIONS = 40_000
_CONSOLE_SECONDS = 60.0
_STOP_SECONDS = 30.0
_SETTLED = ("budget_micros", "spent_micros", "bids", "wins", "bills", "losses", "clicks", "conversions")
"""Figures that are constant once exchanges and portfolio stop; leases are still renewed."""

_SHARE = 0.3
_MEMBERS = tuple(f"camp-{number:03d}" for number in range(1, 7))
_PORTFOLIO = {
    "id": "season",
    "interval_seconds": 2,
    "most_move": 0.1,
    "least_move": 0.0001,
    "members": [{"campaign": name} for name in _MEMBERS],
}


class CheckStage(AbstractContextManager["CheckStage"]):
    """A setting that is up while the context lasts.

    Args:
        folder: folder for everything written.
        rate: requests per second of each exchange; one holds second-price auctions, the other first-price ones.
        say: called with progress, a line at a time.

    Attributes:
        url: URL of the console.
        api: client of the platform with the administrator's key.
        members: campaigns of the portfolio.
        candidate: folder of the CTR model that was published last.
    """

    def __init__(self, folder: Path, rate: float, say: Say) -> None:
        http, dashboard, ray, client, ledger, console, *self._haproxy = free_ports(10)
        self._folder, self._rate, self._say = folder, rate, say
        self.settings = Settings(
            var_dir=folder / "var",
            http_port=http,
            dashboard_port=dashboard,
            ray_port=ray,
            ray_client_port=client,
            ledger_port=ledger,
        )
        self._console_port = console
        self.members = frozenset(_MEMBERS)
        self.candidate = folder / "candidate"
        self.url = f"http://127.0.0.1:{console}"
        self._stack = ExitStack()
        self._exchanges: list[subprocess.Popen[str]] = []

    def __enter__(self) -> CheckStage:
        """Start everything.

        Raises:
            LaunchError: something does not start; what was started has been stopped again.
        """
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything that was started."""
        self._stack.close()

    def warm_up(self, seconds: float, console: Console) -> None:
        """Let traffic run for this time, and until there is something of everything to show.

        Raises:
            LaunchError: there is not, after twice the time and a minute.
        """
        steps = range(round(seconds))
        for _ in track(steps, "traffic before the first look", console=console, disable=not console.is_terminal):
            time.sleep(1.0)
        deadline = time.monotonic() + seconds + 60.0
        while missing := self._missing():
            if time.monotonic() > deadline:
                raise LaunchError(f"after {2 * seconds + 60:.0f} s of traffic there is no {missing} yet")
            time.sleep(1.0)

    def trade(self) -> None:
        """Start the exchanges."""
        # By these they know this platform for the one whose keys they have.
        own = {"RAYBID_VAR_DIR": str(self.settings.var_dir), "RAYBID_HTTP_PORT": str(self.settings.http_port)}
        for seed, auction in ((3, "second"), (4, "first")):
            told = ["--auction", auction, "--seed", str(seed), "--rate", str(self._rate), "--duration", "3600"]
            command = [sys.executable, "-m", "pipelines.replay", "--url", self.settings.base_url, *told]
            self._exchanges.append(self._spawned(f"replay-{auction}", [*command, "--connections", "4"], own))

    def end_trade(self) -> None:
        """Stop the exchanges in order, and wait until everything they sent is recorded."""
        for exchange in self._exchanges:
            exchange.send_signal(signal.SIGTERM)
        for exchange in self._exchanges:
            exchange.wait(_STOP_SECONDS)
        self._exchanges.clear()
        last: Any = None
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            told = self.api.get("/stats").json()
            now = [[one[name] for name in _SETTLED] for one in told["campaigns"].values()]
            if told["events"]["length"] == 0 and last == now:
                return
            last = now
            time.sleep(1.5)
        raise LaunchError(f"{_STOP_SECONDS:.0f} s after the exchanges ended, figures still change")

    def _start(self) -> None:
        settings = self.settings
        self._say("training two small click models, and publishing the second through the gate")
        self._train(settings.ctr_dir, 1)
        self._train(self.candidate, 2)
        self._verb("publish", "--kind", "ctr", "--impressions", "20000", str(self.candidate))
        shutil.copytree(reference.POLICY, settings.policy_dir)
        registry = Registry(settings.published_dir, "policy")
        with registry.deciding():
            served = registry.add(settings.policy_dir).version
            registry.decide("adopted", served, "served before anything was published")
        self._stack.enter_context(patch.dict(os.environ, self._haproxy_ports()))
        platform = self._stack.enter_context(Platform(settings, "colocated", self._say, scaling=_ONE_EACH))
        platform.register(reference.campaigns())
        platform.await_campaigns()
        headers = settings.key_headers("admin_key")
        client = calls.client(settings.base_url, headers=headers, timeout=15)
        self.api = self._stack.enter_context(client)
        self.api.post("/portfolio/create", json=_PORTFOLIO).raise_for_status()
        challenger = str(ROOT / "models" / "dqn")
        self._verb("experiment", "start", "--challenger", challenger, "--share", str(_SHARE))
        self._stack.callback(self._stop_exchanges)
        self.trade()
        self._open_console()

    def _haproxy_ports(self) -> dict[str, str]:
        """Return HAProxy's own ports."""
        names = ("HAPROXY_METRICS_PORT", "HAPROXY_STATS_PORT", "FALLBACK_PROXY_HTTP_PORT", "FALLBACK_PROXY_GRPC_PORT")
        return {f"RAY_SERVE_{name}": str(port) for name, port in zip(names, self._haproxy, strict=True)}

    def _train(self, folder: Path, seed: int) -> None:
        self._verb("train_ctr", "--impressions", str(_IMPRESSIONS), "--seed", str(seed), "--out", str(folder))

    def _verb(self, name: str, *arguments: str) -> None:
        told = {"RAYBID_VAR_DIR": str(self.settings.var_dir), "RAYBID_LEDGER_PORT": str(self.settings.ledger_port)}
        command = [sys.executable, "-m", f"pipelines.{name}", *arguments]
        done = processes.run(command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True)
        if done.returncode:
            raise LaunchError(f"`python -m pipelines.{name} {' '.join(arguments)}` failed: {done.stderr[-500:]}")

    def _open_console(self) -> None:
        told = {
            "RAYBID_URL": self.settings.base_url,
            "RAYBID_VAR_DIR": str(self.settings.var_dir),
            "RAYBID_CONSOLE_PORT": str(self._console_port),
        }
        process = self._spawned("console", [sys.executable, "-m", "dashboards.console"], told)
        self._stack.callback(processes.end, process)
        deadline = time.monotonic() + _CONSOLE_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise LaunchError(f"the console exited: see {self._folder / 'console.log'}")
            try:
                if calls.get(f"{self.url}/_stcore/health", timeout=5).is_success:
                    self._say(f"console: {self.url}")
                    return
            except httpx.HTTPError:
                time.sleep(0.25)
        raise LaunchError(
            f"the console did not come up in {_CONSOLE_SECONDS:.0f} s: see {self._folder / 'console.log'}"
        )

    def _spawned(self, name: str, command: list[str], told: dict[str, str] | None = None) -> subprocess.Popen[str]:
        with (self._folder / f"{name}.log").open("a") as log:
            return processes.start(
                command,
                _STOP_SECONDS,
                cwd=ROOT,
                env={**os.environ, **(told or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def _stop_exchanges(self) -> None:
        for exchange in self._exchanges:
            processes.end(exchange)

    def _missing(self) -> str:
        """Return what a chart needs and does not have yet; empty: nothing."""
        figures = self.api.get("/stats").json()["campaigns"].values()
        if sum(one["clicks"] for one in figures) < 5:
            return "click"
        if not self.api.get("/portfolio/season/history").json():
            return "move of the portfolio"
        clicked = json.loads(self.api.get("/portfolio/season").text)["campaigns"].values()
        return "" if any(one["roi_low"] is not None for one in clicked) else "click in the portfolio"
