"""A folder with its own ports, on which a platform can be started as by somebody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from raybid.local import supervision
from raybid.local.environment import ROOT
from raybid.local.models import train_missing
from raybid.local.ports import free_ports
from rtb.runtime.settings import Settings
from verification.leftovers import LeftoverWatch

PORTS = (
    "RAYBID_HTTP_PORT",
    "RAYBID_DASHBOARD_PORT",
    "RAYBID_RAY_PORT",
    "RAYBID_RAY_CLIENT_PORT",
    "RAYBID_LEDGER_PORT",
    "RAY_SERVE_HAPROXY_METRICS_PORT",
    "RAY_SERVE_HAPROXY_STATS_PORT",
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
    "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT",
)
UP_SECONDS = 300.0
END_SECONDS = 120.0
GONE_SECONDS = 30.0
_SLOT = ("--page", "https://news-001.example/today", "--geo", "USA/CA", "--device", "phone", "--floor", "0.01")


@dataclass(frozen=True)
class CommandEnvironment:
    """Commands with one environment.

    Attributes:
        folder: folder that it writes to.
        env: environment of every command.
        before: words before every command, such as `nohup`.
    """

    folder: Path
    env: dict[str, str]
    before: Sequence[str] = ()

    @property
    def settings(self) -> Settings:
        """Settings that locate its platform."""
        given = {name: int(self.env[name]) for name in PORTS if name.startswith("RAYBID_")}
        fields = {name.removeprefix("RAYBID_").lower(): port for name, port in given.items()}
        return Settings().model_copy(update={**fields, "var_dir": self.folder / "var"})

    def command(self, *words: str) -> list[str]:
        """Return a `raybid` command, as this stranger types it."""
        return [*self.before, sys.executable, "-m", "raybid.cli.main", *words]

    def run(self, *words: str, seconds: float = UP_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run a `raybid` command to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command that the case ends; its output goes to a file."""
        with (self.folder / "said").open("ab") as said:
            given = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said, "start_new_session": True, **options}
            return subprocess.Popen(self.command(*words), cwd=ROOT, env=self.env, **given)

    def said(self) -> str:
        """Return the last output of started commands."""
        return (self.folder / "said").read_text(errors="replace")[-400:].strip()

    def await_stage(
        self, holds: Callable[[supervision.PlatformState], bool], seconds: float = UP_SECONDS
    ) -> str | None:
        """Wait until the platform has reached a stage; return its last state if it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = supervision.read(self.settings)
            if state is not None and holds(state):
                return None
            if state is not None and state.has_ended:
                break
            time.sleep(0.1)
        return f"it did not get that far: {supervision.read(self.settings)} {self.said()}"

    def fails_to_bid(self) -> str | None:
        """Bid; return what is wrong if there is no bid."""
        done = self.run("bid", *_SLOT, "--json")
        if done.returncode or not json.loads(done.stdout)["bid"]:
            return f"it did not bid: {done.stdout[-200:]} {done.stderr[-200:]}"
        return None

    def fails_to_end(self, watch: LeftoverWatch) -> str | None:
        """Stop the platform; return what is wrong if something is left."""
        done = self.run("down")
        if done.returncode:
            return f"`raybid down` failed: {done.stderr[-300:]}"
        return left(watch)


def left(watch: LeftoverWatch, seconds: float = GONE_SECONDS) -> str | None:
    """Return what is left of a case's commands, in a sentence."""
    alive = watch.left(seconds)
    return f"it leaves {'; '.join(one[:80].strip() for one in alive)}" if alive else None


def machine(folder: Path, before: Sequence[str] = (), **env: str) -> CommandEnvironment:
    """Return a machine on which nothing runs yet; an empty variable is not set."""
    ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    own = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    own |= {"RAYBID_VAR_DIR": str(folder / "var"), "RAYBID_CTR_ARTEFACT": str(_model()), "RAY_USAGE_STATS_ENABLED": "0"}
    told = {name: value for name, value in {**own, **ports, **env}.items() if value}
    return CommandEnvironment(folder, told, tuple(before))


@cache
def _model() -> Path:
    """Return the click model of this checkout, trained if missing."""
    settings = Settings()
    train_missing(settings, lambda _: None)
    return settings.ctr_dir.resolve()
