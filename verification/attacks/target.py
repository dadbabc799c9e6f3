"""The platform under attack: started as by `make up`, with exchanges, campaigns and keys to attack with."""

from __future__ import annotations

import hashlib
import http.client
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from raybid.local import LaunchError, supervision
from raybid.local.environment import ROOT
from raybid.local.listeners import Listener
from raybid.local.ports import free_ports
from rtb.runtime import calls
from rtb.runtime.settings import Settings
from verification.attacks import measure
from verification.attacks.stranger import Stranger
from verification.strangers.machine import PORTS

EXCHANGES = ("alpha", "beta", "honest")
"""Independent exchanges. The first two are attacked and attack; the last only trades."""

SCENES = ("money", "prices", "forged", "held", "learning", "unwon", "honest", "privacy", "budget", "pause", "rollback")
"""Scenes, each with a campaign that bids only on its own domain and so has its own books."""

BUDGETS = {"held": 2_000_000, "budget": 300_000}
"""Budgets of the scenes whose money is short, in micros; all others have plenty."""

_PLENTY = 10**12
_OFFERS = 10
_LAUNCH_SECONDS = 600.0
_PATIENCE_SECONDS = 15.0
_FIRST_BID_SECONDS = 60.0


@dataclass
class AttackedPlatform:
    """A platform, what its owner knows about it, and its attacker.

    Attributes:
        settings: ports and folders.
        keys: API keys by purpose: `admin`, `report`, and one per exchange.
        outside: attacker at another address.
        environment: environment that the platform is started with.
        disk: whether its folder is on a small disk of its own, which may be filled.
        notes: shared results of attacks with several cases.
        stack: processes that attacks started, ended with the platform.
    """

    settings: Settings
    keys: dict[str, str]
    outside: Stranger
    environment: dict[str, str] = field(default_factory=dict)
    disk: bool = False
    notes: dict[str, Any] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self._http = calls.client(self.settings.base_url, timeout=_PATIENCE_SECONDS)

    def close(self) -> None:
        """Close the connections, and end what attacks started."""
        self.stack.close()
        self._http.close()

    def call(self, method: str, path: str, key: str = "", **request: Any) -> httpx.Response:
        """Make a call with the key of that name; without a key if it is empty."""
        headers = {**({"X-API-Key": self.keys[key]} if key else {}), **request.pop("headers", {})}
        return self._http.request(method, path, headers=headers, **request)

    def plain(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> int:
        """Make a call whose headers a careful client would refuse to send; return its status."""
        connection = http.client.HTTPConnection(
            self.settings.http_host, self.settings.http_port, timeout=_PATIENCE_SECONDS
        )
        try:
            connection.request(method, path, body, dict(headers))
            return connection.getresponse().status
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Return whether it can bid."""
        try:
            return self.call("GET", "/health/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def bid(self, scene: str, exchange: str = "alpha", **changes: Any) -> dict[str, Any]:
        """Get a bid of a scene's campaign.

        Raises:
            LaunchError: there is none.
        """
        for _ in range(_OFFERS):  # a loaded machine may answer late, and then the samples bid, as on every page
            answer = self.call("POST", f"/openrtb2/{exchange}", exchange, json=self.request(scene, **changes))
            found = answer.json()["seatbid"][0]["bid"][0] if answer.status_code == 200 else {}
            if found.get("cid") == scene:
                return dict(found)
        raise LaunchError(f"no bid for {scene} at {exchange}: {answer.status_code} {answer.text[:200]}")

    def request(self, scene: str, **changes: Any) -> dict[str, Any]:
        """Return a bid request for one banner on a scene's page; `floor` sets its floor, the rest top-level fields."""
        imp = {"id": "1", "banner": {"w": 300, "h": 250}, "bidfloor": changes.pop("floor", 0.1)}
        return {
            "id": secrets.token_hex(6),
            "at": 2,
            "tmax": 1_000,
            "imp": [imp],
            "site": {"domain": domain(scene)},
            "device": {"devicetype": 2},
            **changes,
        }

    def notice(self, url: str, price: object = None) -> httpx.Response:
        """Send a notice to a bid's URL, with the price filled in."""
        return self._http.get(url.replace("${AUCTION_PRICE}", str(price)))

    def figures(self, scene: str) -> dict[str, Any]:
        """Return a scene's books: its money and counts."""
        answer = self.call("GET", f"/campaign/{scene}", "admin")
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        counts: dict[str, Any] = told.get("figures", {})
        return told | counts

    def spent(self, scene: str) -> int:
        """Return the micros that a scene has spent."""
        return int(self.figures(scene)["spent_micros"])

    def processes(self) -> list[psutil.Process]:
        """Return all processes of the platform."""
        return measure.family(self._pids())

    def listeners(self) -> list[Listener]:
        """Return everything that the platform listens on."""
        return measure.heard(self._pids())

    def _pids(self) -> list[int]:
        """Return the root processes; the second is a child of the first unless that was killed."""
        state = supervision.read(self.settings)
        return [state.pid, state.ray_pid] if state is not None else []

    def start(self) -> None:
        """Start the platform, as `make up` does.

        Raises:
            LaunchError: it does not start.
        """
        done = self.raybid("up", "--detach", "--samples")
        if done.returncode:
            raise LaunchError(f"`raybid up` failed: {(done.stderr or done.stdout).strip()[-500:]}")

    def stop(self) -> None:
        """Stop the platform, and whatever is left of it."""
        family = self.processes()
        done = self.raybid("down")
        _, left = psutil.wait_procs(family, timeout=_PATIENCE_SECONDS)
        for process in left:
            process.kill()
        if done.returncode:
            raise LaunchError(f"`raybid down` failed: {(done.stderr or done.stdout).strip()[-500:]}")

    def clean(self) -> None:
        """Remove what it leaves outside its folder: sockets and logs, where `run` points."""
        link = self.settings.var_dir / "run"
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)

    def raybid(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a `raybid` command on it, with some settings changed."""
        return subprocess.run(
            [sys.executable, "-m", "raybid.cli.main", *command],
            cwd=ROOT,
            env={**self.environment, **changes},
            capture_output=True,
            text=True,
            timeout=_LAUNCH_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def furnish(self) -> None:
        """Create the keys and campaigns for the attacks, and wait until all of these bid.

        Raises:
            LaunchError: the platform refuses one, or does not bid.
        """
        for name, scope in (("boss", "admin"), ("report", "report")):
            body = {"name": name, "scopes": [scope], "per_minute": 1_000_000}
            answer = self.call("POST", "/admin/keys", "admin", json=body)
            if answer.status_code != 201:
                raise LaunchError(f"no key can be created: {answer.status_code} {answer.text[:200]}")
            self.keys[name] = answer.json()["key"]
        self.keys["admin"] = self.keys["boss"]
        for scene in SCENES:
            answer = self.call("POST", "/campaign/create", "admin", json=campaign(scene))
            if answer.status_code not in (201, 409):
                raise LaunchError(f"campaign {scene} was refused: {answer.status_code} {answer.text[:200]}")
        self.await_bids(SCENES)

    def await_bids(self, scenes: tuple[str, ...]) -> None:
        """Wait until each of these campaigns bids.

        Raises:
            LaunchError: one does not.
        """
        deadline = time.monotonic() + _FIRST_BID_SECONDS
        for scene in scenes:
            while True:
                try:
                    self.notice(self.bid(scene)["lurl"])
                    break
                except LaunchError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.3)


def domain(scene: str) -> str:
    """Return the domain where a scene's campaign bids."""
    return f"{scene}.example"


def campaign(scene: str, **changes: Any) -> dict[str, Any]:
    """Return a scene's campaign."""
    return {
        "id": scene,
        "name": scene,
        "adomain": ["shop.example"],
        "budget": {"total_micros": BUDGETS.get(scene, _PLENTY), "flight_seconds": 3_600},
        "goal": {"kind": "click", "value_micros": 3_000_000},
        "targeting": {"publishers": [domain(scene)]},
        "creatives": [
            {
                "id": "a",
                "w": 300,
                "h": 250,
                "image_url": "https://cdn.example/a.png",
                "landing_url": "https://shop.example/spring",
            }
        ],
        **changes,
    }


def environment(var_dir: Path, given: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """Return the environment of a new platform on `var_dir`, and the keys of its exchanges.

    Args:
        var_dir: its folder, to be created.
        given: settings whose models it serves, so that none is trained.
    """
    keys = {name: secrets.token_urlsafe(24) for name in EXCHANGES}
    profiles = var_dir.parent / "exchanges"
    profiles.mkdir()
    for name, key in keys.items():
        about = {"name": name, "keys": [hashlib.sha256(key.encode()).hexdigest()[:12]], "charge_on": "bill"}
        (profiles / f"{name}.yaml").write_text(yaml.safe_dump(about))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAYBID_", "RAY_"))}
    ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    own = {
        "RAYBID_VAR_DIR": str(var_dir),
        "RAYBID_EXCHANGES_DIR": str(profiles),
        "RAYBID_EXCHANGE_KEYS": ",".join(keys.values()),
        "RAYBID_CTR_ARTEFACT": str(given.ctr_dir.resolve()),
    }
    return {**kept, **ports, **own}, keys


def settings_of(env: Mapping[str, str]) -> Settings:
    """Return the settings that such an environment gives."""
    prefix = "RAYBID_"
    given = {name.removeprefix(prefix).lower(): value for name, value in env.items() if name.startswith(prefix)}
    return Settings.model_validate(given)
