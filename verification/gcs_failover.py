"""The head's GCS is killed under load; with the cluster's state in a separate Redis, serving goes on.

    make gcs-check        # two minutes; needs root, for network namespaces

It is `cluster/compose.yaml` without containers: a head and a worker with their own addresses, started by the image's
entry point, Redis with `cluster/redis/redis.conf`, PostgreSQL, and nginx with TLS in front, with the worker as its
backup. An exchange trades through nginx. The head's `gcs_server` gets SIGKILL; Ray ends the head's other processes,
which ends the container, and the head is restarted, as compose and KubeRay do.

The last line is one JSON object: `served_during` bids and no-bids between kill and recovery, `errors` of the whole run,
`recovered_s` until the head knew the application again and answered bids, `state_back` if the deployments, the earlier
campaigns and a later update are correct. Exit code 1 if serving stopped, if more requests failed than the head had in
flight, or if the state is not back.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx
import msgspec
import typer
import uvloop
import yaml
from rich.console import Console

from raybid.local import LaunchError, postgres
from raybid.local.environment import ROOT, dashboard_headers
from raybid.local.models import train_missing
from raybid.local.nginx import Proxy, nginx
from raybid.local.ports import free_port
from raybid.refusing import refuse
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation import reference
from simulation.exchange import ReplayFigures, ReplayOptions, Unreachable
from simulation.exchange.screen import display, until_signal
from verification.faults.nodes import Network, Node, network
from verification.faults.servers import configured_redis

_ENTRY = str(ROOT / "cluster" / "docker" / "entrypoint.sh")
_WORKER_CPUS = 4
_CONNECTIONS = 16
_BEFORE_SECONDS, _AFTER_SECONDS = 6.0, 6.0
_GIVE_UP_SECONDS = 240.0
_UPDATED = 65  # requests that CTRModel may hold, after the update

Say = Callable[[str], None]


class FailoverCluster(NamedTuple):
    """The running parts.

    Attributes:
        head: node to kill.
        worker: node with the replicas.
        proxy: nginx in front of both.
        environment: environment of commands on the cluster.
        folder: folder for everything.
    """

    head: Node
    worker: Node
    proxy: Proxy
    environment: dict[str, str]
    folder: Path

    @property
    def dashboard(self) -> str:
        """Base URL of Ray's dashboard."""
        return f"http://{self.head.address}:8265"

    @property
    def head_url(self) -> str:
        """Base URL of the ingress on the head."""
        return f"http://{self.head.address}:8000"


@processes.ended_by_signals()
def main(rate: Annotated[float, typer.Option(min=1, help="requests per second")] = 60.0) -> None:
    """Start, trade, kill, compare."""
    console = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="rfo-"))  # short: socket paths are below it
    try:
        given = Settings()
        train_missing(given, console.print)
        with _cluster(folder, given, lambda text: console.print(plain(text, "dim"))) as cluster:
            summary = uvloop.run(_trial(cluster, rate, console))
    except (LaunchError, Unreachable, httpx.HTTPError, OSError) as error:
        refuse("gcs-check", f"{str(error) or type(error).__name__} (logs: {folder})")
    typer.echo(msgspec.json.encode(summary).decode())
    wrong = faults(summary, rate)
    if wrong:
        refuse("gcs-check", f"{'; '.join(wrong)} (logs: {folder})")
    shutil.rmtree(folder)


def faults(summary: dict[str, Any], rate: float) -> list[str]:
    """Return what is wrong, a line each."""
    found = []
    if summary["recovered_s"] is None:
        found.append("the head did not come back")
    elif summary["served_during"] < 0.8 * rate * summary["recovered_s"]:
        found.append("serving stopped while the head was down")
    if summary["errors"] > 2 * _CONNECTIONS:
        found.append(f"more requests failed than the head had in flight: {summary['errors']}")
    if not summary["state_back"]:
        found.append(f"the state is not back: {summary['state']}")
    return found


@contextmanager
def _cluster(folder: Path, given: Settings, say: Say) -> Iterator[FailoverCluster]:
    """Run Redis, PostgreSQL, nginx, head, worker and the application, for the time of the block.

    Raises:
        LaunchError: one of them is missing, or does not start.
    """
    port, binaries = free_port(), postgres.binaries()
    if binaries is None:
        raise LaunchError("PostgreSQL is not installed: install it (Debian: postgresql)")
    with (
        network() as net,
        nginx(folder, port, [f"{_end(net, 2)}:8000", f"{_end(net, 3)}:8000 backup"]) as proxy,
        configured_redis(folder / "redis", net.gateway, folder / "secrets" / "redis_auth") as redis_port,
        postgres.running(binaries, net.gateway) as catalog,
    ):
        environment = _environment(
            folder, given, net, redis_port, database_url=catalog.new_database(), public=proxy.url
        )
        head = _node(net, 2, "head", environment | {"RAYBID_CPUS": "0"}, folder)
        worker = _node(net, 3, "worker", environment | {"RAYBID_CPUS": str(_WORKER_CPUS)}, folder)
        try:
            for node in (head, worker):
                node.start()
            say(f"head {head.address}, worker {worker.address}, {proxy.url} in front")
            cluster = FailoverCluster(head, worker, proxy, environment, folder)
            _deploy(cluster, ROOT / "serve_config.yaml")
            say("the application is up")
            yield cluster
        finally:
            worker.stop()
            head.stop()


def _end(net: Network, last: int) -> str:
    return f"{net.gateway.rpartition('.')[0]}.{last}"


def _environment(
    folder: Path, given: Settings, net: Network, redis_port: int, *, database_url: str, public: str
) -> dict[str, str]:
    (folder / "var").mkdir()
    password = (folder / "secrets" / "redis_password").read_text().strip()
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "RAYBID_VAR_DIR": str(folder / "var"),
        "RAYBID_SECRETS_DIR": str(folder / "secrets"),
        "RAYBID_REDIS_URL": f"redis://:{password}@{net.gateway}:{redis_port}/0",
        "RAYBID_DATABASE_URL": database_url,
        "RAYBID_STORE": str(folder / "store"),
        "RAYBID_CTR_ARTEFACT": str(given.ctr_dir.resolve()),
        "RAYBID_POLICY_ARTEFACT": str(reference.POLICY),
        "RAYBID_PUBLIC_URL": public,
        "RAYBID_HEAD": _end(net, 2),
        "RAYBID_HTTP_HOST": _end(net, 2),
        "RAYBID_REQUIRE_DURABLE": "true",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "secrets" / "ray_token"),
        "RAY_REDIS_ADDRESS": f"{net.gateway}:{redis_port}",
        "RAY_external_storage_namespace": "raybid",
    }
    # Ports and addresses of other trials do not matter to nodes with addresses of their own.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAYBID_", "RAY_"))}
    return inherited | own


def _node(net: Network, last: int, role: str, environment: dict[str, str], folder: Path) -> Node:
    place = folder / role
    place.mkdir()
    own = {
        "RAY_TMPDIR": str(place),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(place / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(place / "admin.sock"),
    }
    return Node(net, last, [_ENTRY, role], environment | own, folder / f"{role}.log")


def _deploy(cluster: FailoverCluster, config: Path) -> None:
    """Deploy as the image's `deploy` does.

    Raises:
        LaunchError: it fails.
    """
    done = processes.run(
        [_ENTRY, "deploy", "--config", str(config)],
        env=cluster.environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise LaunchError(f"the deployment failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")


class _Watch:
    """An exchange that trades until it is told to stop, and its figures."""

    def __init__(self, cluster: FailoverCluster, key: str, rate: float, console: Console) -> None:
        self.figures = ReplayFigures()
        self._options = ReplayOptions(
            url=cluster.proxy.url, key=key, ca=cluster.proxy.ca, rate=rate, connections=_CONNECTIONS, duration=600.0
        )
        self._console = console

    async def trade(self) -> None:
        """Trade until cancelled."""
        with display(self._console) as show:

            def tick(figures: ReplayFigures) -> None:
                self.figures = figures
                show(figures)

            self.figures = await until_signal(self._options, tick)

    @property
    def answered(self) -> int:
        """Bids and no-bids so far."""
        return self.figures.statuses[200] + self.figures.statuses[204]

    @property
    def errors(self) -> int:
        """Other answers and missing ones so far, including notices."""
        return self.figures.statuses.total() - self.answered + self.figures.errors.total()


async def _trial(cluster: FailoverCluster, rate: float, console: Console) -> dict[str, Any]:
    key = (cluster.folder / "secrets" / "raybid_admin_key").read_text().strip()
    async with calls.async_client(cluster.head_url, is_ours=True, headers={"X-API-Key": key}, timeout=5) as client:
        await _register(client)
        before = await _state(cluster, client)
        watch = _Watch(cluster, await _exchange_key(client), rate, console)
        trading = asyncio.create_task(watch.trade())
        await asyncio.sleep(_BEFORE_SECONDS)
        answered, killed = watch.answered, time.monotonic()
        recovered = await _strike(cluster, client, console)
        during, bids = watch.answered - answered, watch.figures.bids
        await asyncio.sleep(_AFTER_SECONDS)
        state = await _state_back(cluster, client, before)
        state["bids go on"] = watch.figures.bids > bids
        trading.cancel()
        await trading
    return {
        "served_during": during,
        "errors": watch.errors,
        "errors_by_kind": {
            **{str(code): count for code, count in watch.figures.statuses.items() if code not in (200, 204)},
            **dict(watch.figures.errors),
        },
        "recovered_s": None if recovered is None else round(recovered - killed, 1),
        "state_back": all(state.values()),
        "state": state,
        "requests": watch.figures.requests,
        "bids": watch.figures.bids,
        "spend_micros": watch.figures.spend_micros,
    }


async def _strike(cluster: FailoverCluster, client: httpx.AsyncClient, console: Console) -> float | None:
    """Kill the GCS, restart the head once it has ended; return when all was well again, None: never.

    Raises:
        LaunchError: there is no GCS to kill.
    """
    pids = cluster.head.pids("gcs_server")
    if len(pids) != 1:
        raise LaunchError(f"the head has {len(pids)} gcs_server processes instead of one")
    os.kill(pids[0], signal.SIGKILL)
    console.print(f"kill -9 gcs_server (pid {pids[0]})")
    restarted = False
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        if cluster.head.ended:  # by itself, or because Ray's agent did not start within its 15 s
            console.print("the head has ended; restarting it")
            cluster.head.start()
            restarted = True
        elif restarted and await _is_well(cluster, client):
            return time.monotonic()
        await asyncio.sleep(0.25)
    return None


async def _is_well(cluster: FailoverCluster, client: httpx.AsyncClient) -> bool:
    try:
        details = await _details(cluster, client)
        ready = await client.get("/health/ready")
    except (httpx.HTTPError, KeyError):
        return False
    return bool(details["status"] == "RUNNING") and ready.is_success


async def _details(cluster: FailoverCluster, client: httpx.AsyncClient) -> dict[str, Any]:
    headers = dashboard_headers(cluster.environment)
    answer = await client.get(f"{cluster.dashboard}/api/serve/applications/", headers=headers)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()["applications"]["raybid"]
    return found


async def _register(client: httpx.AsyncClient) -> None:
    for campaign in reference.campaigns():
        answer = await client.post("/campaign/create", content=msgspec.json.encode(campaign))
        if answer.status_code != 201:
            raise LaunchError(f"campaign {campaign.id} was refused with {answer.status_code}: {answer.text[:200]}")
    await asyncio.sleep(4.0)  # pacing and leases


async def _exchange_key(client: httpx.AsyncClient) -> str:
    """Create a key of an exchange and return it."""
    made = await client.post("/admin/keys", json={"name": "trial", "scopes": ["exchange"]})
    made.raise_for_status()
    return str(made.json()["key"])


async def _state(cluster: FailoverCluster, client: httpx.AsyncClient) -> dict[str, Any]:
    """Return deployments and the replicas' processes by name, and campaigns by id."""
    details = await _details(cluster, client)
    campaigns = (await client.get("/campaigns")).raise_for_status().json()
    return {
        "deployments": sorted(details["deployments"]),
        "campaigns": sorted(campaign["id"] for campaign in campaigns),
        "pids": {
            name: sorted(replica["pid"] for replica in deployment["replicas"])
            for name, deployment in details["deployments"].items()
        },
    }


async def _state_back(cluster: FailoverCluster, client: httpx.AsyncClient, before: dict[str, Any]) -> dict[str, bool]:
    """Return which parts of the state are as before, and whether the application can be updated."""
    after = await _state(cluster, client)
    healthy = {item["status"] for item in (await _details(cluster, client))["deployments"].values()} == {"HEALTHY"}
    config: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    (changed,) = (item for item in config["applications"][0]["deployments"] if item["name"] == "CTRModel")
    changed["max_ongoing_requests"] = _UPDATED
    path = cluster.folder / "updated.yaml"
    path.write_text(yaml.safe_dump(config))
    await asyncio.to_thread(_deploy, cluster, path)
    deployment = (await _details(cluster, client))["deployments"]["CTRModel"]["deployment_config"]
    without = await client.get(f"{cluster.dashboard}/api/serve/applications/", headers={"Authorization": ""})
    return {
        "token required": without.status_code in (401, 403),
        "deployments": healthy and after["deployments"] == before["deployments"],
        "campaigns": after["campaigns"] == before["campaigns"],
        "replicas survived": all(set(before["pids"][name]) & set(after["pids"][name]) for name in before["pids"]),
        "update": deployment["max_ongoing_requests"] == _UPDATED,
    }


if __name__ == "__main__":
    typer.run(main)
