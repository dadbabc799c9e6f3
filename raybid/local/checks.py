"""Checks before anything is started; each failure is one line that says what to do."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from raybid.local.environment import make_private
from rtb.models import artefacts, features, observation
from rtb.models.artefacts import META, ArtefactError
from rtb.runtime.exposure import exposure_fault
from rtb.runtime.settings import Settings


class LaunchError(RuntimeError):
    """The platform cannot start or go on; the message is one line that says what to do."""


def preflight(settings: Settings) -> None:
    """Check keys, folders, the models in them, and ports.

    Raises:
        LaunchError: the platform would be reachable without a key, a folder is not writable, a port is taken, or
            replicas could not load a model.
    """
    check_keys(settings)
    check_writable(settings.var_dir)
    check_models(settings)
    for port, purpose, name in _ports(settings):
        _free(port, purpose, name)


def check_keys(settings: Settings, *listening: str) -> None:
    """Check that nobody can reach the platform without a key.

    Args:
        settings: settings of the platform.
        listening: addresses that Serve will listen on.

    Raises:
        LaunchError: it is reachable from other machines and needs no key.
    """
    if (fault := exposure_fault(settings, listening)) is not None:
        raise LaunchError(fault)


def check_models(settings: Settings) -> None:
    """Check that replicas can load the models that exist: else they refuse to start and nothing bids.

    Raises:
        LaunchError: a model cannot be loaded.
    """
    _loads(settings.ctr_dir, "ctr", features.SCHEMA_VERSION)
    _loads(settings.policy_dir, "policy", observation.SCHEMA_VERSION)


def check_writable(folder: Path) -> None:
    """Check that this user can write a folder and all that is in it, and close it to other users.

    Raises:
        LaunchError: something is not writable.
    """
    try:
        make_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        where = error.filename or folder.resolve()
        raise LaunchError(f"{where} is not writable ({reason}): set RAYBID_VAR_DIR to another folder") from error


def _ports(settings: Settings) -> list[tuple[int, str, str]]:
    """Return the ports that must be free: (port, purpose, the variable that moves it)."""
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
            raise LaunchError(f"port {port} for {purpose} is in use: free it, or set {name} to another") from error


def _loads(folder: Path, kind: str, schema_version: str) -> None:
    if not (folder / META).exists():
        return
    try:
        artefacts.load(folder, kind=kind, schema_version=schema_version)
    except ArtefactError as error:
        raise LaunchError(f"{error}, or remove {folder}: `make run` then creates it again") from error
