"""One host of a cluster of several: its environment, and the `ray start` it becomes.

This is the one place that knows Ray's options for hosts, containers and trials: `raybid cluster head` and `join`.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from raybid.local.checks import LaunchError
from raybid.local.environment import ROOT, haproxy, ray_settings
from rtb.runtime import calls, processes
from rtb.runtime.exposure import is_loopback
from rtb.runtime.settings import Settings
from rtb.runtime.several_hosts import faults, ray_token
from rtb.store import cluster_record

_REDIS_PORT = 6379
_LOOK_SECONDS = 1.0
_STOP_SECONDS = 40.0
_AGENT_PORT, _RUNTIME_ENV_PORT = 8266, 8267
"""Ports of Ray's agents: of those that they choose themselves, Ray waits to be told for 15 seconds, then ends
(ray-project/ray#65983), and two busy cores may need more to start them."""
_RECONNECT_SECONDS = "600"
"""How long a host serves on without the head's GCS, as long as KubeRay's workers; Ray's own minute is too short."""


class NodeOptions(NamedTuple):
    """What `ray start` is told besides the settings.

    Attributes:
        address: address of this host in the cluster.
        cpus: CPUs that replicas may reserve; `None`: as many as Ray finds.
        metrics_port: port of this host's metrics.
    """

    address: str
    cpus: float | None
    metrics_port: int


class HeadPlace(NamedTuple):
    """Where the head of a cluster is.

    Attributes:
        address: its address.
        port: port of Ray's GCS.
    """

    address: str
    port: int


def node_environment(settings: Settings, *hosts: str) -> dict[str, str]:
    """Return our environment, and `cluster/ray.env` where that says nothing, for Ray's processes on this host.

    Args:
        settings: settings of this host.
        hosts: hosts of the cluster, which no proxy may stand before.
    """
    told = {
        **ray_settings(),
        "RAYBID_HAPROXY_BINARY": haproxy(),
        "PYTHONUNBUFFERED": "1",
        **os.environ,
        "RAYBID_VAR_DIR": str(settings.var_dir.resolve()),  # Ray runs in the repository
        **calls.no_proxy_variables(os.environ, *hosts),
    }
    return {name: value for name, value in told.items() if value or name != "RAYBID_HAPROXY_BINARY"}


def check_settings(settings: Settings, environment: Mapping[str, str]) -> None:
    """Check that what this host is told holds on several hosts.

    Raises:
        LaunchError: it does not; the message says what to set.
    """
    if found := faults(settings, environment):
        raise LaunchError("; ".join(found))


def check_like_head(settings: Settings, environment: Mapping[str, str], head: str) -> None:
    """Check that this host has the store, the secrets and the places that the head recorded.

    Args:
        settings: settings of this host.
        environment: environment for Ray's processes.
        head: the head's address.

    Raises:
        LaunchError: it has others, or the store cannot be read.
    """
    try:
        found = cluster_record.differences(settings, ray_token(environment), head)
    except OSError as error:
        raise LaunchError(f"the store at RAYBID_STORE cannot be read: {error}") from error
    if found:
        raise LaunchError("; ".join(found))


def record(settings: Settings, environment: Mapping[str, str], head: str) -> None:
    """Record in the store what hosts must have in common with this head.

    Raises:
        LaunchError: the store cannot be written.
    """
    try:
        cluster_record.write_record(settings, ray_token(environment), head)
    except OSError as error:
        raise LaunchError(f"the store at RAYBID_STORE cannot be written: {error}") from error


def head_command(
    settings: Settings, options: NodeOptions, dashboard_host: str, environment: dict[str, str]
) -> list[str]:
    """Return the command of a head, and set in the environment where it keeps the cluster's state.

    The state is in Redis, so that a head that starts again finds it: in the server of the ledger, unless
    `RAY_REDIS_ADDRESS` names another.

    It starts nothing that it can do without: no autoscaler, which has no hosts to add, and no monitor of workers' logs
    where it has no workers.
    """
    return [
        *_ray_start(options),
        "--head",
        "--no-monitor",
        *(() if options.cpus else ("--include-log-monitor", "false")),
        *("--port", str(settings.ray_port)),
        *("--dashboard-host", dashboard_host or options.address),
        *("--dashboard-port", str(settings.dashboard_port)),
        *("--ray-client-server-port", str(settings.ray_client_port)),
        *_state_in_redis(settings, environment),
    ]


def join_command(head: HeadPlace, options: NodeOptions, environment: dict[str, str]) -> list[str]:
    """Return the command of a host that joins, and set in the environment how long it serves without the head."""
    environment.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", _RECONNECT_SECONDS)
    return [*_ray_start(options), "--address", f"{head.address}:{head.port}"]


def become(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Run a command in place of this process, in the repository, with files for this user alone.

    It runs below a guard: what Ray leaves behind when its GCS dies would keep the next start from its ports.
    """
    os.umask(0o077)
    os.chdir(ROOT)
    whole = processes.guarded(command, _STOP_SECONDS, parent=os.getppid())
    os.execve(whole[0], whole, environment)


def ledger_side(settings: Settings) -> str:
    """Return the address by which this host reaches the ledger's server.

    Raises:
        LaunchError: it has no way there.
    """
    url = urlsplit(settings.redis_url)
    return address_towards(url.hostname or "", url.port or _REDIS_PORT)


def head_side(settings: Settings, told: str) -> str:
    """Return the address that a head on this host has in its cluster.

    Args:
        settings: settings of this host.
        told: the head as hosts are told to join it; empty: not told.

    Raises:
        LaunchError: they are told another host.
    """
    address = head_place(told, settings.ray_port).address if told else ""
    if not address or is_loopback(address):  # a host's own name is often on loopback
        return ledger_side(settings)
    if not calls.is_own(f"http://[{address}]" if ":" in address else f"http://{address}"):
        raise LaunchError(f"RAYBID_HEAD is {told}, which is not this host: start the head there, or give --address")
    return address


def address_towards(host: str, port: int) -> str:
    """Return the address by which this host reaches another; nothing is sent.

    Raises:
        LaunchError: its name is unknown, or there is no way there.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(place)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise LaunchError(
            f"this host does not reach {host} ({error.strerror or error}): see its name and network"
        ) from error


def head_place(told: str, port: int) -> HeadPlace:
    """Return where the head is, its name resolved.

    Args:
        told: `HOST` or `HOST:PORT`.
        port: port where none is told.

    Raises:
        LaunchError: it is neither, or the name is unknown.
    """
    try:
        parts = urlsplit(f"//{told}")
        host, port = parts.hostname or "", parts.port or port
    except ValueError as error:
        raise LaunchError(f"{told} is not HOST or HOST:PORT: {error}") from error
    try:
        return HeadPlace(str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]), port)
    except OSError as error:
        raise LaunchError(
            f"the head {host or told} is not found ({error.strerror or error}): give its address"
        ) from error


def await_head(place: HeadPlace, seconds: float, say: Callable[[str], None]) -> None:
    """Wait until a head takes connections: by then its record is in the store.

    Args:
        place: where the head is.
        seconds: the longest wait.
        say: told once if there is something to wait for.

    Raises:
        LaunchError: it takes too long.
    """
    deadline, is_told = time.monotonic() + seconds, False
    while True:
        try:
            socket.create_connection(place, timeout=_LOOK_SECONDS).close()
        except OSError as error:
            if time.monotonic() >= deadline:
                raise LaunchError(
                    f"no head answers at {place.address}:{place.port} ({error.strerror or error}): start it by"
                    " `raybid cluster head`, and let this host reach it"
                ) from error
            if not is_told:
                say(f"waiting for the head at {place.address}:{place.port}")
                is_told = True
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _ray_start(options: NodeOptions) -> list[str]:
    command = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--log-color", "false"]
    command += ["--node-ip-address", options.address, "--metrics-export-port", str(options.metrics_port)]
    command += ["--dashboard-agent-grpc-port", str(_AGENT_PORT), "--runtime-env-agent-port", str(_RUNTIME_ENV_PORT)]
    return command if options.cpus is None else [*command, "--num-cpus", f"{options.cpus:g}"]


def _state_in_redis(settings: Settings, environment: dict[str, str]) -> list[str]:
    ledger = urlsplit(settings.redis_url)
    if environment.get("RAY_REDIS_ADDRESS"):
        credentials = [("--redis-password", _given_password(settings, environment))]
    else:
        environment["RAY_REDIS_ADDRESS"] = _place(ledger)
        environment.setdefault("RAY_external_storage_namespace", "raybid")
        credentials = [("--redis-username", ledger.username or ""), ("--redis-password", ledger.password or "")]
    return [part for name, value in credentials if value for part in (name, unquote(value))]


def _given_password(settings: Settings, environment: Mapping[str, str]) -> str:
    """Return the password of a Redis for Ray's state: from the environment, or a file beside the other secrets."""
    if password := environment.get("RAY_REDIS_PASSWORD"):
        return password
    path = (settings.secrets_dir or Path("/run/secrets")) / "redis_password"
    return path.read_text().strip() if os.access(path, os.R_OK) else ""


def _place(url: SplitResult) -> str:
    scheme = "rediss://" if url.scheme == "rediss" else ""
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return f"{scheme}{host}:{url.port or _REDIS_PORT}"
