"""Proxies of the environment: never between our own processes, always to others where one is named."""

from __future__ import annotations

import ast
import importlib.util
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.runtime import calls
from tests.support import require

ROOT = Path(__file__).parents[3]
VARIABLES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
ELSEWHERE = "http://elsewhere.example/health"
SECONDS = 5.0


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@contextmanager
def server() -> Iterator[tuple[str, list[str]]]:
    """One that answers everything; its URL, and the targets it was asked for."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}", heard
        finally:
            listening.shutdown()


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", socket.gethostname()])
def test_this_machine_is_called_directly(name: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as (url, heard), server() as (proxy, through):
        monkeypatch.setenv(name, proxy)
        own = url.replace("127.0.0.1", host)
        if host not in ("127.0.0.1", "localhost"):
            assert calls.is_own(own)
            return  # the server listens on loopback alone
        assert calls.get(f"{own}/health", timeout=SECONDS).is_success
        with calls.client(own, timeout=SECONDS) as client:
            assert client.get("/stats").is_success
    assert (heard, through) == (["/health", "/stats"], [])


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9", "ftp://x", "http://[::1", "nonsense"])
@pytest.mark.parametrize("name", VARIABLES)
def test_a_proxy_that_is_none_is_no_matter_here(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with server() as (url, _):
        assert calls.get(url, timeout=SECONDS).is_success


@pytest.mark.parametrize("name", VARIABLES)
def test_others_are_called_as_the_environment_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as (proxy, through):
        monkeypatch.setenv(name, proxy)
        assert calls.get(ELSEWHERE, timeout=SECONDS).is_success
        with calls.client("http://elsewhere.example", timeout=SECONDS) as client:
            assert client.get("/stats").is_success
        assert calls.proxy_of(ELSEWHERE) == name.upper()
        monkeypatch.setenv("NO_PROXY", "elsewhere.example")
        assert calls.proxy_of(ELSEWHERE) == ""
        with pytest.raises(httpx.ConnectError):
            calls.get(ELSEWHERE, timeout=SECONDS)
        with pytest.raises(httpx.ConnectError):  # one of ours on another machine
            calls.get("http://ours.example", timeout=SECONDS, is_ours=True)
    assert [path.partition("example")[2] for path in through] == ["/health", "/stats"]


def test_a_socks_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    require(importlib.util.find_spec("socksio"), "socksio, which httpx[socks] brings")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{listening.getsockname()[1]}")
        heard: list[bytes] = []

        def refuse() -> None:
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(2))
                connection.sendall(b"\x05\xff")  # none of these methods

        thread = Thread(target=refuse)
        thread.start()
        with pytest.raises(httpx.TransportError):
            calls.get(ELSEWHERE, timeout=SECONDS)
        thread.join()
    assert heard[0][:1] == b"\x05"


@pytest.mark.parametrize("value", ["socks://127.0.0.1:9", "ftp://x", "http://[::1"])
def test_one_that_is_none_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(httpx.ProxyError, match="ALL_PROXY"):
        calls.get(ELSEWHERE, timeout=SECONDS)


def test_one_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # not listening
        monkeypatch.setenv("HTTP_PROXY", f"http://secret:word@127.0.0.1:{holder.getsockname()[1]}")
        with pytest.raises(httpx.ConnectError, match="HTTP_PROXY") as raised:
            calls.get(ELSEWHERE, timeout=SECONDS)
    assert "word" not in str(raised.value)


@pytest.mark.parametrize(
    "given",
    [{}, {"NO_PROXY": "a.example"}, {"no_proxy": "a.example, .b"}, {"NO_PROXY": "a.example", "no_proxy": "*"}],
)
def test_children_are_told_to_spare_this_machine_and_what_was_spared(given: dict[str, str]) -> None:
    told = calls.no_proxy_variables(given, "head")
    assert set(told) == {"NO_PROXY", "no_proxy"}
    for value in told.values():
        listed = value.split(",")
        assert "*" in listed or {"localhost", "127.0.0.1", "::1", socket.gethostname(), "head"} <= set(listed)
        assert "*" in listed or all(one.strip() in listed for old in given.values() for one in old.split(","))
        assert calls.no_proxy_variables(told, "head") == told


@given(st.text(max_size=40))
def test_any_text_is_judged(text: str) -> None:
    assert calls.is_own(f"http://{text}") in (True, False)


@pytest.mark.parametrize("host", ["127.9.9.9", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "LOCALHOST.", "a.localhost"])
def test_all_ways_to_write_this_machine(host: str) -> None:
    assert calls.is_own(f"http://{host}:8000/x")


@pytest.mark.parametrize("host", ["127.9.9.9.example", "localhost.example", "localhost@evil.example", "192.0.2.1"])
def test_all_others_are_others(host: str) -> None:
    assert not calls.is_own(f"http://{host}:8000/x")


@pytest.mark.parametrize(
    "room",
    [
        "rtb",
        "portfolio",
        "simulation",
        "raybid",
        "pipelines",
        "deployments",
        "dashboards",
        "benchmarks",
        "verification",
    ],
)
def test_nothing_else_makes_clients_or_starts_processes_by_itself(room: str) -> None:
    allowed = {
        "rtb/runtime/calls.py": {"httpx"},
        "rtb/runtime/processes.py": {"Popen", "ProcessPoolExecutor"},
        "rtb/ledger/embedded.py": {"Popen"},  # below a guard, unless the Controller starts it
        "raybid/cli/platform.py": {"Popen"},  # what is to stay
        "verification/strangers/machine.py": {"Popen"},  # what is watched, below no guard
        "verification/strangers/processes.py": {"Popen"},
    }
    found = {}
    for path in (ROOT / room).rglob("*.py"):
        name = str(path.relative_to(ROOT))
        if more := _starters(path.read_text()) - allowed.get(name, set()):
            found[name] = more
    assert found == {}


def _starters(source: str) -> set[str]:
    """Return what a module calls that opens connections or starts processes."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.startswith("httpx.") and called.removeprefix("httpx.") in _CLIENTS:
                found.add("httpx")
            found |= {one for one in ("Popen", "ProcessPoolExecutor") if called.rpartition(".")[2] == one}
    return found


_CLIENTS = {"get", "post", "put", "patch", "delete", "request", "stream", "Client", "AsyncClient"}
