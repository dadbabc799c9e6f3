"""Prometheus and Alertmanager as child processes, with the project's own configuration."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from raybid.local import LaunchError
from raybid.local.environment import ROOT
from raybid.local.ports import free_ports
from rtb.runtime import calls, processes

CONFIG = ROOT / "cluster" / "prometheus"
KEY_FILE = "/run/secrets/prometheus_key"
_START_SECONDS = 20.0
_STOP_SECONDS = 10.0


class Watchers(NamedTuple):
    """The addresses of Prometheus and Alertmanager."""

    prometheus: str
    alertmanager: str

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the current series of an expression.

        Raises:
            httpx.HTTPError: Prometheus refuses it, or does not answer.
        """
        answer = calls.get(f"{self.prometheus}/api/v1/query", params={"query": expr}, timeout=10)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def firing(self) -> set[str]:
        """Return the names of alerts that are active in Alertmanager.

        Raises:
            httpx.HTTPError: it does not answer.
        """
        answer = calls.get(f"{self.alertmanager}/api/v2/alerts", params={"active": "true"}, timeout=10)
        answer.raise_for_status()
        return {alert["labels"]["alertname"] for alert in answer.json()}


def tool(*names: str) -> str:
    """Return the first of these commands that exists; Debian uses different names for some.

    Raises:
        LaunchError: there is none.
    """
    for name in names:
        if found := shutil.which(name):
            return found
    raise LaunchError(
        f"{names[0]} is not on the PATH: `apt-get install prometheus prometheus-alertmanager`, or your system's"
    )


@contextmanager
def watchers(folder: Path, targets: Mapping[str, Sequence[str]], key: str) -> Iterator[Watchers]:
    """Run both, while the context lasts.

    Args:
        folder: empty folder for their data and logs.
        targets: addresses by the name of their file in `cluster/prometheus/targets`.
        key: API key with which Prometheus reads the platform's metrics.

    Raises:
        LaunchError: one is missing or does not start.
    """
    prometheus, alertmanager = tool("prometheus"), tool("alertmanager", "prometheus-alertmanager")
    ports = free_ports(2)
    at = Watchers(*(f"http://127.0.0.1:{port}" for port in ports))
    shutil.copytree(CONFIG, folder / "config")
    for name, addresses in {**targets, "alertmanager": [f"127.0.0.1:{ports[1]}"]}.items():
        (folder / "config" / "targets" / f"{name}.json").write_text(json.dumps([{"targets": list(addresses)}]))
    _give(key, folder)
    commands = {
        "alertmanager": [
            alertmanager,
            f"--config.file={folder}/config/alertmanager.yaml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{ports[1]}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            prometheus,
            f"--config.file={folder}/config/prometheus.yaml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{ports[0]}",
        ],
    }
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                started.append(
                    processes.start(command, _STOP_SECONDS, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
                )
        for url in at:
            _await(f"{url}/-/ready", folder)
        yield at
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def _give(key: str, folder: Path) -> None:
    """Put the key where the configuration expects it, which differs from containers."""
    kept, config = folder / "report_key", folder / "config" / "prometheus.yaml"
    kept.touch(mode=0o600)
    kept.write_text(key)
    config.write_text(config.read_text().replace(KEY_FILE, str(kept)))


def _await(url: str, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if calls.get(url, timeout=2).is_success:
                return
        except httpx.HTTPError:  # not up yet
            pass
        time.sleep(0.2)
    raise LaunchError(f"{url} did not come up in {_START_SECONDS:.0f} s: see the logs in {folder}")
