"""The cluster, set up by the commands of `docs/how-to/several_hosts.md`: a head without replicas, and three hosts."""

from __future__ import annotations

import shlex
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec

from raybid.local import LaunchError
from raybid.local.environment import ROOT, dashboard_headers
from rtb.runtime import calls
from rtb.runtime.settings import Settings
from simulation import reference
from verification.cluster_check.machine import Machine, environment_for_machines
from verification.cluster_check.stores import Stores
from verification.faults.nodes import Network
from verification.pages import blocks

PAGE = ROOT / "docs" / "how-to" / "several_hosts.md"
ONCE, ON_HEAD, ON_HOST, DEPLOY = "On one machine", "On the head", "On every other host", "From anywhere"
_FILE = Path("cluster.env")
_HEAD, HOSTS = 2, (3, 4, 5)
_CPUS = 2
_START_SECONDS = 240.0
_LOOK_SECONDS = 0.5
_ASK_SECONDS = 2.0

Say = Callable[[str], None]


class Site:
    """The machines of the cluster and their stores.

    Attributes:
        head: the head.
        hosts: the hosts that bid, by the last part of their addresses.
        stores: the stores.
        settings: settings of every machine.

    Args:
        net: network of all.
        folder: folder of their disks.
        public_url: where notices go.
        extra: further settings, by variable.
        say: called with progress.
    """

    def __init__(self, net: Network, folder: Path, public_url: str, extra: Mapping[str, str], say: Say) -> None:
        self._folder, self._public_url, self._extra, self._say = folder, public_url, dict(extra), say
        common = environment_for_machines()
        self.stores = Stores(net, folder, common)
        own = {**common, **self.stores.credentials, **extra}
        self.head = Machine(net, _HEAD, folder, own)
        self.hosts = {last: Machine(net, last, folder, own) for last in HOSTS}
        self._page = blocks(PAGE)
        self.settings = Settings()
        # Clients that are kept: each new one reads all certificates of the system, a tenth of a second of a core.
        self._askers = {host: calls.client(self.url(host), is_ours=True, timeout=_ASK_SECONDS) for host in self.hosts}
        self._dashboard = calls.client(self._head_url, is_ours=True, timeout=_ASK_SECONDS)

    def start(self, stack: ExitStack) -> None:
        """Set everything up until bids can be answered; stop it with the stack.

        Raises:
            LaunchError: something does not start.
        """
        self._say("Redis, PostgreSQL and an S3 server")
        self.stores.start(stack)
        for machine in (self.head, *self.hosts.values()):
            stack.callback(machine.stop)
        self._configure()
        self._say(f"the head, {self.head.address}")
        self.head.serve(self._commands(ON_HEAD))
        self._join(lambda host: host.serve(self._commands(ON_HOST)))
        self._say(f"{len(self.hosts)} hosts joined; deploying")
        self.head.run(self._commands(DEPLOY), seconds=_START_SECONDS)
        self.await_replicas()

    def power_off(self) -> None:
        """Cut the power of everything, stores too."""
        for machine in (self.head, *self.hosts.values()):
            machine.power_off()
        self.stores.power_off()

    def power_on(self) -> None:
        """Power everything on again."""
        self.stores.power_on()
        self.head.power_on()
        self._join(Machine.power_on)

    def url(self, host: int) -> str:
        """Return the base URL of a host's ingress."""
        return f"http://{self.hosts[host].address}:{self.settings.http_port}"

    def client(self, host: int, **headers: str) -> httpx.Client:
        """Return a client of a host's ingress, with the administrator's key unless another is given."""
        own = {"X-API-Key": self.settings.admin_key} | headers
        return calls.client(self.url(host), is_ours=True, headers=own, timeout=_ASK_SECONDS)

    def can_bid(self, host: int) -> bool:
        """Return whether a host's ingress says that bids can be answered."""
        try:
            return self._askers[host].get("/health/ready").is_success
        except httpx.HTTPError:
            return False

    def replicas(self) -> dict[str, list[str]]:
        """Return the addresses of the hosts with running replicas, by deployment.

        Raises:
            httpx.HTTPError: the head does not answer.
        """
        answer = self.ask_head("/api/serve/applications/")
        answer.raise_for_status()
        found: dict[str, list[str]] = defaultdict(list)
        application = answer.json()["applications"].get("raybid", {"deployments": {}})
        for name, deployment in application["deployments"].items():
            for replica in deployment["replicas"]:
                if replica["state"] == "RUNNING":
                    found[name].append(replica["node_ip"])
        return found

    def alive(self) -> set[str]:
        """Return the addresses of the machines that Ray knows as alive."""
        nodes = self.ask_head("/nodes?view=summary").json()["data"]["summary"]
        return {node["ip"] for node in nodes if node["raylet"].get("state") == "ALIVE"}

    def await_replicas(self, seconds: float = _START_SECONDS) -> None:
        """Wait until every stage runs on two hosts or more, and every host can bid.

        Raises:
            LaunchError: they do not.
        """
        self._await("every stage on two hosts", self._is_spread, seconds)
        self._await("every host's ingress", lambda: all(map(self.can_bid, self.hosts)), seconds)

    def register(self) -> None:
        """Create the campaigns through one host.

        Raises:
            LaunchError: one is refused.
        """
        with self.client(HOSTS[0]) as client:
            for campaign in reference.campaigns():
                answer = client.post("/campaign/create", content=msgspec.json.encode(campaign))
                if answer.status_code != 201:
                    raise LaunchError(f"campaign {campaign.id} was refused: {answer.status_code} {answer.text[:200]}")

    def exchange_key(self) -> str:
        """Create an exchange's key through one host, and return it."""
        with self.client(HOSTS[0]) as client:
            made = client.post("/admin/keys", json={"name": "check", "scopes": ["exchange"]})
            made.raise_for_status()
            return str(made.json()["key"])

    def ask_head(self, path: str) -> httpx.Response:
        """Return the answer of Ray's dashboard on the head.

        Raises:
            httpx.HTTPError: there is none.
        """
        return self._dashboard.get(path)

    def _join(self, begin: Callable[[Machine], None]) -> None:
        """Wait for the head, then start the hosts one by one: Ray gives a node 30 s, however many share our cores."""
        self._await("Ray's dashboard", lambda: self.ask_head("/api/version").is_success)
        for host in self.hosts.values():
            begin(host)
            self._await(f"the host {host.address}", lambda address=host.address: address in self.alive())  # type: ignore[misc]

    def _configure(self) -> None:
        """Write the file that every machine reads, by the page's commands, and copy it to all."""
        self.head.idle()
        given = {
            "REDIS_URL": self.stores.redis_url,
            "DATABASE_URL": self.stores.database_url,
            "STORE": self.stores.store,
            "PUBLIC_URL": self._public_url,
        }
        assigned = "".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items())
        self.head.run(assigned + self._commands(ONCE), seconds=60.0)
        self.head.stop()
        content = self.head.taken(_FILE)
        for host in self.hosts.values():
            host.put(_FILE, content)
        variables = dict(_assignments(content)) | self._extra
        self._dashboard = calls.client(
            self._head_url,
            is_ours=True,
            headers=dashboard_headers(variables),
            timeout=_ASK_SECONDS,
        )
        told = {name.removeprefix("RAYBID_").lower(): value for name, value in variables.items()}
        fields = Settings.model_fields.keys()
        self.settings = Settings(
            **{name: value for name, value in told.items() if name in fields},  # type: ignore[arg-type]
            var_dir=self._folder / "var",
        )

    @property
    def _head_url(self) -> str:
        return f"http://{self.head.address}:{self.settings.dashboard_port}"

    def _commands(self, heading: str) -> str:
        text = "\n".join(self._page[heading])
        if not text.strip():
            raise LaunchError(f"{PAGE.name} has no commands under '{heading}'")
        return f"HEAD={self.head.address}\nHOSTS={len(self.hosts)}\n{text}"

    def _is_spread(self) -> bool:
        found = self.replicas()
        return bool(found["Controller"]) and all(
            len(set(found[name])) > 1 for name in ("Router", "CTRModel", "RLBidder")
        )

    def _await(self, what: str, ready: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if ready():
                    return
            except (httpx.HTTPError, KeyError, ValueError):  # not up yet
                pass
            time.sleep(_LOOK_SECONDS)
        raise LaunchError(f"{what} did not come up in {seconds:.0f} s: see the logs in {self._folder}")


def _assignments(content: str) -> list[tuple[str, str]]:
    """Return the variables that a file of shell assignments sets."""
    lines = [line.strip() for line in content.splitlines()]
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return [(name, value.strip("'\"")) for name, _, value in pairs]


def controllers_host(site: Site) -> int:
    """Return the host on which the Controller runs.

    Raises:
        LaunchError: it runs nowhere.
        httpx.HTTPError: the head does not answer.
    """
    (address, *_) = site.replicas()["Controller"] or [""]
    for last, machine in site.hosts.items():
        if machine.address == address:
            return last
    raise LaunchError(f"the Controller runs on {address or 'no host'}")


def any_but(site: Site, *hosts: int) -> int:
    """Return a host that is none of these."""
    return next(last for last in site.hosts if last not in hosts)


def everywhere(site: Site, ask: Callable[[httpx.Client], Any]) -> list[Any]:
    """Return what each host answers."""
    found = []
    for host in site.hosts:
        with site.client(host) as client:
            found.append(ask(client))
    return found
