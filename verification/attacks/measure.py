"""What a platform's processes hold and listen on."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import psutil


class Listener(NamedTuple):
    """A socket that takes connections."""

    host: str
    port: int
    process: str

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        address = ipaddress.ip_address(self.host)
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """These processes and all that they started, once each."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            first = psutil.Process(pid)
            found |= {one.pid: one for one in (first, *first.children(recursive=True))}
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def listeners(processes: Iterable[psutil.Process]) -> list[Listener]:
    """What they listen on over TCP, UDP left out: nothing of a platform uses it."""
    return sorted({one for process in processes for one in _of(process)})


def held_mb(processes: Iterable[psutil.Process]) -> float:
    """Memory of them together: what several share is counted once (PSS)."""
    return sum(map(_pss, processes)) / 2**20


def _of(process: psutil.Process) -> Iterator[Listener]:
    try:
        for one in process.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN:
                yield Listener(one.laddr.ip, one.laddr.port, process.name())
    except psutil.Error:  # ended meanwhile
        return


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
