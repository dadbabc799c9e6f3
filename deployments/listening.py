"""The address on which a replica listens for calls of other deployments.

Serve binds that server to all addresses of the machine and has no setting for it. Others are told the address of the
node only, so it listens there: on the loopback address, where Ray was started with that one. Ray's token is asked for
either way (`RAY_AUTH_MODE`).
"""

from __future__ import annotations

from typing import Any

import ray
from ray._common.network_utils import build_address
from ray._common.tls_utils import add_port_to_grpc_server
from ray.serve._private import replica

_EVERYWHERE = "[::]:0"


def listen_on_node_address() -> None:
    """Make this process's replica listen on its node's address alone; call it before Serve starts its server.

    Raises:
        RuntimeError: this version of Serve starts it in another way.
    """
    if not hasattr(replica, "add_port_to_grpc_server"):
        raise RuntimeError("this version of Serve opens the port between deployments in another way: see listening.py")
    replica.add_port_to_grpc_server = _add_port


def _add_port(server: Any, address: str) -> int:
    """Replace the function that Serve calls with all of the machine's addresses and any port."""
    if address != _EVERYWHERE:
        raise RuntimeError(f"this version of Serve listens for other deployments on {address}: see listening.py")
    return int(add_port_to_grpc_server(server, build_address(ray.util.get_node_ip_address(), 0)))
