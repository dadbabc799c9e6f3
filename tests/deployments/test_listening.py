"""A replica listens for other deployments where its node is, and nowhere else."""

from __future__ import annotations

import inspect
import os

import grpc  # type: ignore[import-untyped]
import pytest
import ray
from ray.serve._private import replica

from deployments import listening
from raybid.local.listeners import listeners


def test_serve_calls_what_is_replaced_and_asks_for_all_addresses() -> None:
    source = inspect.getsource(replica)
    assert source.count("add_port_to_grpc_server(") == 1
    assert f'add_port_to_grpc_server(self._server, "{listening._EVERYWHERE}")' in source
    assert "self._server = create_grpc_server_with_interceptors(" in source  # which asks for Ray's token


def test_the_port_is_open_on_the_address_of_the_node_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "add_port_to_grpc_server", replica.add_port_to_grpc_server)
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "127.0.0.1")
    listening.listen_on_node_address()
    server = grpc.server(None)
    port = replica.add_port_to_grpc_server(server, "[::]:0")
    try:
        (found,) = [one for one in listeners(os.getpid()) if one.port == port]
        assert found.is_loopback
    finally:
        server.stop(None)


def test_a_serve_that_listens_in_another_way_is_not_served_with() -> None:
    with pytest.raises(RuntimeError, match=r"0\.0\.0\.0:9"):
        listening._add_port(grpc.server(None), "0.0.0.0:9")
