"""What must hold before anything is started; each failure is one line that says what to do."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from raybid.local.environment import make_private
from rtb.models import artefacts, features, observation
from rtb.models.artefacts import META, ArtefactError
from rtb.runtime.exposure import open_fault
from rtb.runtime.settings import Settings


class LaunchError(RuntimeError):
    """The platform cannot start or go on; the message is one line that says what to do."""


def preflight(settings: Settings) -> None:
    """Check keys, folders, the models in them, and ports.

    Raises:
        LaunchError: others reach what needs no key, a folder cannot be written, a port is taken, or a model is none
            that replicas would load.
    """
    check_keys(settings)
    check_writable(settings.var_dir)
    check_models(settings)
    for port, purpose, name in _ports(settings):
        _free(port, purpose, name)


def check_keys(settings: Settings, *listening: str) -> None:
    """Check that whoever reaches the platform needs a key.

    Args:
        settings: its settings.
        listening: addresses that Serve is to listen on.

    Raises:
        LaunchError: others reach it, and it does without.
    """
    if (fault := open_fault(settings, listening)) is not None:
        raise LaunchError(fault)


def check_models(settings: Settings) -> None:
    """Check that the models that are there can be served: replicas refuse those of other code, and nothing would bid.

    Raises:
        LaunchError: one cannot.
    """
    _loads(settings.ctr_dir, "ctr", features.SCHEMA_VERSION)
    _loads(settings.policy_dir, "policy", observation.SCHEMA_VERSION)


def check_writable(folder: Path) -> None:
    """Check that this user may write in a folder, and all that is in it; others may not even look from then on.

    Raises:
        LaunchError: that is not so.
    """
    try:
        make_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        where = error.filename or folder.resolve()
        raise LaunchError(f"{where} cannot be written ({reason}): set RAYBID_VAR_DIR to another") from error


def _ports(settings: Settings) -> list[tuple[int, str, str]]:
    """(port, what for, the variable that moves it)."""
    ports = [
        (settings.http_port, "bid requests", "RAYBID_HTTP_PORT"),
        (settings.dashboard_port, "the Ray dashboard", "RAYBID_DASHBOARD_PORT"),
        (settings.ray_port, "Ray's cluster address", "RAYBID_RAY_PORT"),
        (settings.ray_client_port, "Ray's client server", "RAYBID_RAY_CLIENT_PORT"),
        (_from_env("RAY_SERVE_HAPROXY_METRICS_PORT", 9101), "HAProxy's metrics", "RAY_SERVE_HAPROXY_METRICS_PORT"),
        (_from_env("RAY_SERVE_HAPROXY_STATS_PORT", 8404), "HAProxy's statistics", "RAY_SERVE_HAPROXY_STATS_PORT"),
    ]
    if not settings.redis_url:
        ports.append((settings.ledger_port, "the embedded Valkey server", "RAYBID_LEDGER_PORT"))
    return ports


def _from_env(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdigit() else default


def _free(port: int, purpose: str, name: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise LaunchError(f"port {port} for {purpose} needs privileges: set {name} to one above 1023") from error
        except OSError as error:
            raise LaunchError(f"port {port} for {purpose} is taken: free it, or set {name} to another") from error


def _loads(folder: Path, kind: str, schema_version: str) -> None:
    if not (folder / META).exists():
        return
    try:
        artefacts.load(folder, kind=kind, schema_version=schema_version)
    except ArtefactError as error:
        raise LaunchError(f"{error}, or remove {folder}: `make run` then makes it anew") from error
