"""What is said to listen is what listens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from raybid.local.listeners import Listener, beyond_loopback, listeners

BIND = """
import socket, sys
one = socket.socket(getattr(socket, sys.argv[1]), getattr(socket, sys.argv[2]))
one.bind((sys.argv[3], 0))
if sys.argv[2] == "SOCK_STREAM": one.listen()
print(one.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("family", "kind", "address", "is_open"),
    [
        ("AF_INET", "SOCK_STREAM", "0.0.0.0", True),
        ("AF_INET", "SOCK_DGRAM", "0.0.0.0", True),
        ("AF_INET6", "SOCK_STREAM", "::", True),
        ("AF_INET", "SOCK_STREAM", "127.0.0.1", False),
        ("AF_INET", "SOCK_DGRAM", "127.0.0.1", False),
        ("AF_INET6", "SOCK_STREAM", "::ffff:127.0.0.1", False),
    ],
)
def test_a_child_that_others_reach_is_found(family: str, kind: str, address: str, is_open: bool) -> None:
    command = [sys.executable, "-c", BIND, family, kind, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        port = int(child.stdout.readline())
        assert [one.port for one in listeners(os.getpid()) if one.port == port] == [port]
        assert [one.port for one in beyond_loopback(os.getpid()) if one.port == port] == [port] * is_open
        child.stdin.close()


def test_a_connection_is_no_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as one:
        ports = {found.port for found in listeners(os.getpid())}
        assert server.getsockname()[1] in ports
        assert one.getsockname()[1] not in ports


def test_who_is_gone_listens_on_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert listeners(child.pid) == []


def test_a_listener_says_where_it_is() -> None:
    assert str(Listener("gcs_server", "tcp", "::", 6380)) == "gcs_server on tcp :: port 6380"
