"""Resources of a platform's processes: memory, open files, threads, connections."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import psutil

from benchmarks.serving.replicas import Deployment

_MIB = 2**20


class ProcessUsage(msgspec.Struct, frozen=True):
    """The resources of one process.

    Attributes:
        rss_mib: resident memory, MiB.
        files: open files, including sockets and pipes.
        threads: number of threads.
        connections: TCP connections that are open or not yet fully closed.
    """

    rss_mib: float
    files: int
    threads: int
    connections: int


def held(pid: int) -> ProcessUsage | None:
    """Return the current resources of a process; `None` if it is gone or inaccessible."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return ProcessUsage(
                rss_mib=round(process.memory_info().rss / _MIB, 2),
                files=process.num_fds(),
                threads=process.num_threads(),
                connections=sum(one.status != psutil.CONN_LISTEN for one in process.net_connections("tcp")),
            )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def of_platform(root: int, found: Iterable[Deployment]) -> dict[str, int]:
    """Return the processes to watch, by a stable name: each replica, the ledger's server and HAProxy.

    Args:
        root: process that started Valkey and Ray.
        found: deployments.
    """
    watched = {}
    for deployment in found:
        for place, replica in enumerate(sorted(deployment.running, key=lambda one: one.replica_id), 1):
            if replica.pid is not None:
                watched[deployment.name if place == 1 else f"{deployment.name} {place}"] = replica.pid
    for process in psutil.Process(root).children(recursive=True):
        name = _server(process)
        if name:
            watched[name] = max(process.pid, watched.get(name, 0))  # after a reload the newest takes the requests
    return watched


def _server(process: psutil.Process) -> str:
    try:
        name = process.name()
    except psutil.NoSuchProcess:
        return ""
    if name.startswith("haproxy"):
        return "HAProxy"
    return "Valkey" if name.startswith(("valkey", "redis-server")) else ""
