"""Free ports for servers of tests and trials."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 20_000, 29_999
"""A range between Ray's worker ports with Serve's replica ports, and the kernel's ephemeral ports: of those, another
process could take one for an outgoing connection before the server is up."""


def free_port() -> int:
    """Return a port that nothing listens on now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different ports that nothing listens on now."""
    found: list[int] = []
    for port in random.sample(range(_FIRST, _LAST + 1), _LAST + 1 - _FIRST):
        if len(found) == count:
            return found
        if _is_free(port):
            found.append(port)
    raise OSError(f"no {count} free ports from {_FIRST} to {_LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
