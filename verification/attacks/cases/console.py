"""The operator's console, which acts with an administrator's key: opened by others, framed, rebound."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial

import httpx

from raybid.local.environment import ROOT
from raybid.local.listeners import beyond_loopback
from raybid.local.ports import free_port
from rtb.runtime import calls, processes
from verification.attacks.case import Attacks, Finding
from verification.attacks.not_tried import NotTried
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_BEGIN_SECONDS = 60.0
_END_SECONDS = 10.0
_TOKEN = "token-of-a-console-under-attack"
_SOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_FRAMED = ("x-frame-options", "content-security-policy")


def _console(target: AttackedPlatform) -> int:
    """Start a console beside the platform, once, and return its port. It ends with the platform's block."""
    if "console" in target.notes:
        return int(target.notes["console"])
    port = free_port()
    log = target.stack.enter_context((target.settings.var_dir.parent / "console.log").open("wb"))
    told = {
        "RAYBID_CONSOLE_PORT": str(port),
        "RAYBID_CONSOLE_TOKEN": _TOKEN,
        "RAYBID_URL": target.settings.base_url,
        "RAYBID_KEY": target.keys["admin"],
    }
    process = processes.start(
        [sys.executable, "-m", "dashboards.console"],
        _END_SECONDS,
        cwd=ROOT,
        env={**target.environment, **told},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    target.stack.callback(processes.end, process)
    deadline = time.monotonic() + _BEGIN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            calls.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=5.0)
        except httpx.HTTPError:
            time.sleep(0.3)
            continue
        target.notes["console"], target.notes["console pid"] = port, process.pid
        return port
    raise NotTried("the console did not start: is the extra `console` installed?")


def _get(target: AttackedPlatform, path: str = "/", **headers: str) -> httpx.Response:
    return calls.get(f"http://127.0.0.1:{_console(target)}{path}", headers=headers, timeout=10.0)


@attacks(Finding.CONSOLE, "the console opened without its token")
def without_token(target: AttackedPlatform) -> str:
    """Check that it is refused: whoever opens the console acts as an administrator."""
    paths = ("/", "/_stcore/host-config", "/index.html", "/static/", "/component/", "/media/x")
    statuses = {path: _get(target, path).status_code for path in paths}
    return ", ".join(f"{path}: {status}" for path, status in statuses.items() if status < 400)


@attacks(Finding.CONSOLE, "the console opened with a wrong token")
def wrong_token(target: AttackedPlatform) -> str:
    """Try it in the address, and as a cookie."""
    port = _console(target)
    answers = [
        _get(target, "/?token=wrong"),
        _get(target, "/?token="),
        _get(target, "/", Cookie=f"raybid_console_{port}=wrong"),
    ]
    return ", ".join(str(one.status_code) for one in answers if one.status_code < 400)


@attacks(Finding.CONSOLE, "a page that rebinds its name to the console")
def rebound(target: AttackedPlatform) -> str:
    """Refuse even a page that knows the token."""
    hosts = ("rebound.example", "localhost.rebound.example", "127.0.0.1.rebound.example:80", "")
    statuses = {host: _get(target, f"/?token={_TOKEN}", Host=host).status_code for host in hosts}
    return ", ".join(f"{host}: {status}" for host, status in statuses.items() if status < 400)


def _opened(headers: Mapping[str, str], target: AttackedPlatform) -> str:
    """Open the console's websocket as another page would."""
    port = _console(target)
    sent = {"Host": f"127.0.0.1:{port}", **_SOCKET, **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with socket.create_connection(("127.0.0.1", port), 5.0) as connection:
        connection.settimeout(5.0)
        connection.sendall(f"GET /_stcore/stream HTTP/1.1\r\n{lines}\r\n".encode())
        first = connection.recv(4_096).split(b"\r\n")[0].decode("latin-1")
    return first if " 101 " in first else ""


for _name, _headers in {
    "without its token": {},
    "from another page": {"Origin": "https://evil.example"},
    "under another name": {"Host": "rebound.example", "Origin": "http://rebound.example"},
}.items():
    attacks.add(Finding.CONSOLE, f"the console's websocket opened {_name}", partial(_opened, _headers))


@attacks(Finding.CONSOLE, "the console in a frame of another page")
def framed(target: AttackedPlatform) -> str:
    """Check that none of its answers may be framed."""
    answers = [_get(target, f"/?token={_TOKEN}"), _get(target, "/")]
    lacking = [name for one in answers for name in _FRAMED if name not in one.headers]
    loose = [one.headers.get("content-security-policy", "") for one in answers]
    return f"lacking: {lacking}" if lacking or not all("frame-ancestors" in one for one in loose) else ""


@attacks(Finding.CONSOLE, "the console from a second address")
def outside(target: AttackedPlatform) -> str:
    """Check that it listens on loopback only."""
    port = _console(target)
    found = beyond_loopback(int(target.notes["console pid"]))
    answers = [target.outside.one("connect", host=host, port=port) for host in target.outside.hosts]
    taken = [str(answer) for answer in answers if "open" in answer]
    return f"{found} {taken}" if found or taken else ""
