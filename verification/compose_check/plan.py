"""What the check derives from the compose file and from podman's answers, and when it fails."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import msgspec

_LABEL = "com.docker.compose.service"
_ADDRESSES = "172.28"
"""Start of the networks' addresses: Docker takes them from 172.16.0.0/12."""

Services = Mapping[str, Mapping[str, Any]]


class Container(msgspec.Struct, frozen=True):
    """A container of a service.

    Attributes:
        name: podman's name of it.
        state: `running`, `exited` and others.
        exit_code: of a container that has exited.
    """

    name: str
    state: str
    exit_code: int = 0


class ComposeReport(msgspec.Struct):
    """The figures of the check.

    Attributes:
        services: services of the compose file that can run here.
        healthy: those whose health check passed, or that ended well where they end.
        bids: bids that came through nginx.
        spend_equal: whether exchange, ledger, and ledger after `down` and `up` agree on every figure.
        restarts_survived: services after whose restart bids came.
        left_out: services without an image here.
        faults: what else is wrong, a line each.
    """

    services: int
    left_out: list[str]
    healthy: int = 0
    bids: int = 0
    spend_equal: bool = False
    restarts_survived: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return the figures that the last line tells."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if name != "faults"}

    def wrong(self, restarts: int) -> list[str]:
        """Return everything that is wrong, a line each, where so many services were to be restarted."""
        checks = {
            f"{self.services - self.healthy} of {self.services} services are not healthy": self.healthy < self.services,
            "no bid came through nginx": not self.bids,
            "exchange and ledger disagree on the money, or `down` and `up` changed it": not self.spend_equal,
            f"bids came after {self.restarts_survived} of {restarts} restarts": self.restarts_survived < restarts,
        }
        return [*self.faults, *(fault for fault, is_so in checks.items() if is_so)]


def targets(containerfile: str) -> list[str]:
    """Return the targets of a Containerfile."""
    return re.findall(r"^FROM \S+ AS (\S+)$", containerfile, re.M)


def stand_ins(images: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """Return the image for each target that one of these images is named as: `prom/prometheus:v3` is `prometheus`."""
    named = {image.rpartition("/")[2].partition(":")[0]: image for image in images}
    return {target: named[target] for target in known if target in named}


def runnable(services: Services, images: Iterable[str]) -> list[str]:
    """Return the services that are built or whose image is there, each after those it depends on."""
    there = set(images)
    graph = {name: service.get("depends_on", {}) for name, service in services.items()}
    order = TopologicalSorter(graph).static_order()
    return [name for name in order if "build" in services[name] or services[name]["image"] in there]


def ends(service: Mapping[str, Any]) -> bool:
    """Return whether a service does its work once and ends."""
    return bool(service.get("healthcheck", {}).get("disable"))


def adapted(described: Mapping[str, Any], names: Sequence[str], most_files: int, most_processes: int) -> dict[str, Any]:
    """Return a compose file with these services alone, as this machine and podman can run it.

    Limits of open files and processes are within the machine's. Networks have addresses that compose.yaml trusts as
    proxies, and a service keeps its own over a restart, as with Docker: podman would give it the next one, and nginx
    resolves names once. Folders in memory are root's, as podman 4 knows no owner of them, with the permissions of the
    image.
    """
    numbers = {name: place for place, name in enumerate(described["networks"])}
    services = {}
    for last, name in enumerate(names, 10):
        service = described["services"][name]
        joined = service.get("networks", [])
        services[name] = service | {
            "networks": {net: {"ipv4_address": f"{_ADDRESSES}.{numbers[net]}.{last}"} for net in joined}
        }
        if folders := service.get("tmpfs"):
            services[name]["tmpfs"] = [_unowned(folder) if "uid=" in folder else folder for folder in folders]
        if files := service.get("ulimits", {}).get("nofile"):
            # Podman sets a limit of processes as well, beyond what this machine's root may.
            services[name]["ulimits"] = {
                "nofile": {kind: min(limit, most_files) for kind, limit in files.items()},
                "nproc": {"soft": most_processes, "hard": most_processes},
            }
    networks = {
        name: (network or {}) | {"ipam": {"config": [{"subnet": f"{_ADDRESSES}.{numbers[name]}.0/24"}]}}
        for name, network in described["networks"].items()
    }
    return {**described, "services": services, "networks": networks}


def _unowned(folder: str) -> str:
    """Return a folder in memory without the options that say whose it is and what its owner may do."""
    path, _, options = folder.partition(":")
    others = [one for one in options.split(",") if one and one.partition("=")[0] not in ("uid", "gid", "mode")]
    return ":".join([path, *([",".join(others)] if others else [])])


def containers(told: str) -> dict[str, Container]:
    """Return the container of each service from `podman ps --all --format json`."""
    return {
        one["Labels"][_LABEL]: Container(one["Names"][0], one["State"], one["ExitCode"])
        for one in msgspec.json.decode(told)
        if _LABEL in (one.get("Labels") or {})
    }


def targets_down(told: str) -> list[str]:
    """Return what Prometheus scrapes without success, from `/api/v1/targets`, or that it scrapes nothing."""
    found = msgspec.json.decode(told)["data"]["activeTargets"]
    down = [f"{one['labels']['job']}: {one['lastError'] or one['health']}" for one in found if one["health"] != "up"]
    return down if found else ["nothing is scraped"]


def money(stats: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return budget and spend of each campaign in `/stats`, in micros: what no lease and no pacing changes."""
    return {name: (one["budget_micros"], one["spent_micros"]) for name, one in stats["campaigns"].items()}


def spent(found: Mapping[str, tuple[int, int]]) -> int:
    """Return the spend of all campaigns in micros."""
    return sum(micros for _, micros in found.values())
