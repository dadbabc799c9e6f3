"""What `cluster/haproxy.sh` makes of the configuration that the installed Serve writes, and HAProxy of that."""

from __future__ import annotations

import re
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions

from raybid.local.environment import ROOT
from raybid.local.listeners import beyond_loopback
from raybid.local.ports import free_ports

SCRIPT = str(ROOT / "cluster" / "haproxy.sh")


class Replica(BaseHTTPRequestHandler):
    """Counts what reaches it."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[str]] = []
    forwarded: ClassVar[list[str]] = []
    let_go: ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        self.seen.append(self.path)
        if self.path.endswith("/silent"):
            self.let_go.wait(30)
        self.forwarded.extend(self.headers.get_all("X-Forwarded-For", []))
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def written(folder: Path, host: str, ports: Sequence[int] = (1, 2, 3, 4)) -> Path:
    """Write the configuration of one application as Serve does with the settings of `cluster/ray.env`."""
    http, stats, metrics, replica = ports
    told = dict(line.split("=", 1) for line in (ROOT / "cluster/ray.env").read_text().splitlines() if "=" in line[:80])
    config = HAProxyConfig(
        http_options=HTTPOptions(host=host, port=http),
        socket_path=str(folder / "s"),
        server_state_base=str(folder),
        server_state_file=str(folder / "state"),
        stats_port=stats,
        metrics_port=metrics,
        log_target=told["RAY_SERVE_HAPROXY_LOG_TARGET"],
        timeout_client_s=int(told["RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"]),
        timeout_server_s=int(told["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"]),
        metrics_enabled=False,
        has_received_routes=True,
        has_received_servers=True,
    )
    backend = BackendConfig(
        name="raybid",
        path_prefix="/",
        app_name="raybid",
        http_health_check_path="",
        servers=[ServerConfig("one", "127.0.0.1", replica)],
    )
    path = folder / "haproxy.cfg"
    HAProxyApi(config, {"raybid": backend}, config_file_path=str(path))._generate_config_file_internal()
    return path


def start(path: Path, binary: str = "/bin/true") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "RAYBID_HAPROXY_BINARY": binary}
    command = [SCRIPT, "-db", "-f", str(path)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("host", "bound"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "*"), ("10.1.2.3", "10.1.2.3")])
def test_statistics_are_for_this_machine_and_metrics_are_where_bids_are(tmp_path: Path, host: str, bound: str) -> None:
    path = written(tmp_path, host)
    for _ in range(2):  # a second start from the same file changes nothing more
        done = start(path)
        assert (done.returncode, done.stderr) == (0, "")
        binds = re.findall(r"^ *bind (.*)$", path.read_text(), re.MULTILINE)
        assert binds == [f"{bound}:3", f"{bound}:1", "127.0.0.1:2"]
        assert path.read_text().count("timeout http-request") == 1
        assert path.read_text().count("option forwardfor") == 1
        assert re.findall(r"^ *timeout (connect|check) (.*)$", path.read_text(), re.MULTILINE) == [
            ("check", "5s"),
            ("connect", "250ms"),
        ]
        assert path.read_text().count("set-timeout server 2s") == path.read_text().count("\nbackend ")


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("stats socket", "stats sock"),
        ("mode 666", "mode 777"),
        ("defaults\n", "defaults all\n"),
        ("local0 info", "local0 debug"),
        ("listen stats", "listen statistics"),
        ("frontend prometheus", "frontend metrics"),
        ("    timeout client", "    # timeout client"),
        ("mode http\n", "mode http\n    bind *:9\n"),
    ],
)
def test_a_configuration_of_another_form_starts_nothing(tmp_path: Path, line: str, other: str) -> None:
    path = written(tmp_path, "127.0.0.1")
    path.write_text(path.read_text().replace(line, other, 1))
    done = start(path, "/bin/echo")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not as this version knows it" in done.stderr


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    http, stats, metrics = free_ports(3)
    replica = ThreadingHTTPServer(("127.0.0.1", 0), Replica)
    threading.Thread(target=replica.serve_forever, daemon=True).start()
    path = written(folder, "127.0.0.1", (http, stats, metrics, replica.server_port))
    with subprocess.Popen([SCRIPT, "-db", "-f", str(path)], stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and socket.socket().connect_ex(("127.0.0.1", http)):
                pass
            yield process, http
        finally:
            process.terminate()
            replica.shutdown()
            replica.server_close()


def test_callers_who_are_slow_are_cut_and_no_replica_hears_of_them(tmp_path: Path) -> None:
    head = b"POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"
    Replica.seen.clear()
    with running(tmp_path) as (process, port):
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        for one, said in zip(slow, (b"", b"POST /sl", head, head + b"x" * 99), strict=True):
            one.sendall(said)
        with closing(socket.create_connection(("127.0.0.1", port))) as quick:
            quick.sendall(head.replace(b"/slow", b"/quick") + b"x" * 100)
            assert quick.recv(100).startswith(b"HTTP/1.1 200")
        for one in slow:
            one.settimeout(30)
            assert one.recv(100).startswith(b"HTTP/1.1 408")
            one.close()
        assert Replica.seen == ["/quick"]
        assert beyond_loopback(process.pid) == []
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


def test_a_bid_without_an_answer_ends_soon_and_other_calls_may_take_longer(tmp_path: Path) -> None:
    Replica.let_go.clear()
    with running(tmp_path) as (_, port):
        calls = {path: socket.create_connection(("127.0.0.1", port)) for path in ("openrtb2", "campaign")}
        for path, call in calls.items():
            call.settimeout(10)
            call.sendall(f"POST /{path}/silent HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode())
        assert calls["openrtb2"].recv(100).startswith(b"HTTP/1.1 5")
        calls["campaign"].settimeout(0.5)
        with pytest.raises(TimeoutError):
            calls["campaign"].recv(100)
        Replica.let_go.set()
        calls["campaign"].settimeout(10)
        assert calls["campaign"].recv(100).startswith(b"HTTP/1.1 200")
        for call in calls.values():
            call.close()


def test_the_last_address_that_a_replica_is_told_is_who_called(tmp_path: Path) -> None:
    Replica.forwarded.clear()
    with running(tmp_path) as (_, port), closing(socket.create_connection(("127.0.0.1", port))) as caller:
        caller.sendall(b"POST /b HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 0\r\n\r\n")
        assert caller.recv(100).startswith(b"HTTP/1.1 200")
    assert ",".join(Replica.forwarded).replace(" ", "") == "192.0.2.1,127.0.0.1"
