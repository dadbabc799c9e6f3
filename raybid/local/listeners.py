"""Sockets that processes listen on, as the kernel lists them."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple

import psutil


class Listener(NamedTuple):
    """A socket that accepts connections or packets.

    Attributes:
        process: name of the process.
        protocol: `tcp` or `udp`.
        address: IP address it is bound to.
        port: port it is bound to.
    """

    process: str
    protocol: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.process} on {self.protocol} {self.address} port {self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only processes on this machine can reach it."""
        address = ipaddress.ip_address(self.address)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback


def listeners(pid: int) -> list[Listener]:
    """Return the TCP and UDP sockets that a process and its descendants listen on."""
    found = []
    try:
        processes = [parent := psutil.Process(pid), *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    for process in processes:
        try:
            name, sockets = process.name(), process.net_connections("inet")
        except psutil.NoSuchProcess:  # ended meanwhile
            continue
        found += [
            Listener(name, "udp" if one.type == socket.SOCK_DGRAM else "tcp", one.laddr.ip, one.laddr.port)
            for one in sockets
            if one.status == psutil.CONN_LISTEN or (one.status == psutil.CONN_NONE and not any(one.raddr))
        ]
    return found


def beyond_loopback(pid: int) -> list[Listener]:
    """Return the listeners that other machines can reach."""
    return [one for one in listeners(pid) if not one.is_loopback]
