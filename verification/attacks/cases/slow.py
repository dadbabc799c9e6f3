"""Deliberately slow callers: half-sent headers and bodies, idle connections, unread answers."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from verification.attacks.case import Attacks, Finding
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_PATIENCE_SECONDS = 15.0
"""Longer than a caller needs for a megabyte over a slow line, and far shorter than an hour."""

_CONNECTIONS = 60
"""Enough to trigger another replica if each counted as load."""

_IDLE = 400
_DRIP_SECONDS = 1.0

Begin = Callable[[AttackedPlatform], bytes]


def _head(target: AttackedPlatform, path: str = "/openrtb2/alpha", method: str = "POST", size: int = 5_000) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: raybid\r\nX-API-Key: {target.keys['alpha']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    ).encode()


def _chunked(target: AttackedPlatform) -> bytes:
    return _head(target).replace(b"Content-Length: 5000", b"Transfer-Encoding: chunked") + b'5\r\n{"id"\r\n'


_BEGUN: dict[str, Begin] = {
    "half a request line": lambda _: b"POST /openrtb2/al",
    "headers that do not end": lambda t: _head(t)[:-2],
    "no body where one was announced": _head,
    "half a body": lambda t: _head(t) + b'{"id":"slow"',
    "half a chunk": _chunked,
    "half a body of a notice": lambda t: _head(t, "/notice/bill/abc"),
    "half a body to POST /bid": lambda t: _head(t, "/bid") + b'{"id"',
    "half a body to POST /auction-result": lambda t: _head(t, "/auction-result") + b"{",
    "half a body to POST /bid/batch": lambda t: _head(t, "/bid/batch") + b"{",
    "half a body to an administrator's call": lambda t: _head(t, "/campaign/create") + b"{",
    "half a body where none belongs": lambda t: _head(t, "/health", "GET"),
    "nothing at all": lambda _: b"",
}


def _opened(stack: ExitStack, port: int, first: bytes) -> socket.socket:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5.0))
    connection.sendall(first)
    return connection


def _left(connections: list[socket.socket], seconds: float, drip: bytes = b"") -> list[socket.socket]:
    """Return connections that are still open after this time, sending a byte per second if there is one to drip."""
    deadline = time.monotonic() + seconds
    open_ones = list(connections)
    dripped = time.monotonic()
    while open_ones and time.monotonic() < deadline:
        readable, _, _ = select.select(open_ones, [], [], 0.25)
        open_ones = [one for one in open_ones if one not in readable or not _is_over(one)]
        if drip and time.monotonic() - dripped > _DRIP_SECONDS:
            dripped = time.monotonic()
            open_ones = [one for one in open_ones if _takes(one, drip)]
    return open_ones


def _is_over(connection: socket.socket) -> bool:
    """Return whether the server closed the connection, or answered: then it no longer waits for us."""
    try:
        connection.setblocking(False)
        connection.recv(65_536)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _takes(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


@attacks(Finding.SLOW, "requests of every kind that are never finished, sixty of each")
def unfinished(target: AttackedPlatform) -> str:
    """Try all at once, which takes no longer. Each connection must be closed, or answered, soon."""
    port = target.settings.http_port
    with ExitStack() as stack:
        sent = {
            name: [_opened(stack, port, make(target)) for _ in range(_CONNECTIONS)] for name, make in _BEGUN.items()
        }
        left = _left([one for each in sent.values() for one in each], _PATIENCE_SECONDS)
        told = [f"{name}: {count}" for name, each in sent.items() if (count := sum(one in left for one in each))]
    return f"still open after {_PATIENCE_SECONDS:.0f} s: {', '.join(told)}" if told else ""


def _dripping(make: Begin, target: AttackedPlatform) -> str:
    """Send a byte per second: a timeout that restarts with each byte never expires."""
    with ExitStack() as stack:
        connections = [_opened(stack, target.settings.http_port, make(target)) for _ in range(20)]
        left = _left(connections, _PATIENCE_SECONDS, drip=b"x")
    return f"{len(left)} of 20 still open after {_PATIENCE_SECONDS:.0f} s" if left else ""


attacks.add(Finding.SLOW, "headers sent a byte a second", partial(_dripping, lambda t: _head(t)[:-2] + b"X-Slow: "))
attacks.add(Finding.SLOW, "a body sent a byte a second", partial(_dripping, lambda t: _head(t) + b"{"))


@attacks(Finding.SLOW, "half-sent bodies to a replica's own port")
def past_the_proxy(target: AttackedPlatform) -> str:
    """Try what a local user can reach past HAProxy."""
    own = {target.settings.http_port, target.settings.dashboard_port}
    ports = [one.port for one in target.listeners() if "ServeReplica" in one.process and 30_000 <= one.port <= 31_000]
    with ExitStack() as stack:
        connections = []
        for port in sorted(set(ports) - own):
            connections += [_opened(stack, port, _head(target) + b'{"id"') for _ in range(_CONNECTIONS)]
        left = _left(connections, _PATIENCE_SECONDS)
        return f"{len(left)} of {len(connections)} still open" if left else ""


@attacks(Finding.SLOW, "replicas started by callers who send nothing")
def started_by_nothing(target: AttackedPlatform) -> str:
    """Check that a request counts as load only once its body has arrived."""
    before = _replicas(target)
    with ExitStack() as stack:
        for _ in range(3 * _CONNECTIONS):
            _opened(stack, target.settings.http_port, _head(target) + b'{"id"')
        most, deadline = before, time.monotonic() + 8.0
        while time.monotonic() < deadline:
            most = max(most, _replicas(target))
            time.sleep(0.5)
    return f"{before} replicas became {most}" if most > before else ""


def _replicas(target: AttackedPlatform) -> int:
    return sum("ServeReplica" in process.name() for process in target.processes() if process.is_running())


@attacks(Finding.SLOW, "four hundred connections that say nothing while others trade")
def idle(target: AttackedPlatform) -> str:
    """Check that others can still connect."""
    with ExitStack() as stack:
        for _ in range(_IDLE):
            _opened(stack, target.settings.http_port, b"")
        answers = []
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", target.settings.http_port), 5.0) as connection:
                connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: raybid\r\nConnection: close\r\n\r\n")
                answers.append(connection.recv(20)[:12])
    bad = [answer for answer in answers if answer != b"HTTP/1.1 200"]
    return f"{len(bad)} of 20 others got {bad[:1]}" if bad else ""


@attacks(Finding.SLOW, "answers that nobody reads")
def unread(target: AttackedPlatform) -> str:
    """Ask for much, and read none of it."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: raybid\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", target.settings.http_port), 5.0))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            connection.setblocking(False)
            try:
                connection.send(request * 20)
            except BlockingIOError:
                continue
        time.sleep(1.0)
        status = target.call("GET", "/health/ready").status_code
    return "" if status == 200 else f"/health/ready is {status}"


_SMUGGLED = {
    "two lengths": b"Content-Length: 4\r\nContent-Length: 60\r\n\r\n",
    "a length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks of an unknown kind": b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length with a sign": b"Content-Length: +4\r\n\r\n",
    "a folded header": b"X-API-Key:\r\n made-up\r\nContent-Length: 4\r\n\r\n",
    "a header without a colon": b"Nonsense\r\nContent-Length: 4\r\n\r\n",
    "a name with a space": b"Content-Length : 4\r\n\r\n",
    "a NUL in a header": b"X-A: \x00\r\nContent-Length: 4\r\n\r\n",
    "a chunk size that overflows": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
}
_SECOND = b"abcdGET /stats HTTP/1.1\r\nHost: raybid\r\n\r\n"


def _smuggled(headers: bytes, target: AttackedPlatform) -> str:
    """Send a request that proxy and replica could read differently; a hidden second one must not succeed."""
    with socket.create_connection(("127.0.0.1", target.settings.http_port), 5.0) as connection:
        connection.settimeout(2.0)
        connection.sendall(b"POST /openrtb2/alpha HTTP/1.1\r\nHost: raybid\r\n" + headers + _SECOND)
        got = b""
        try:
            while piece := connection.recv(65_536):
                got += piece
        except OSError:  # a timeout, or a reset
            pass
    statuses = [line for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    bad = [line for line in statuses if b" 200" in line or b" 5" in line]
    return f"{statuses}" if bad else ""


for _name, _headers in _SMUGGLED.items():
    attacks.add(Finding.INPUT, f"a request smuggled: {_name}", partial(_smuggled, _headers))


@attacks(Finding.INPUT, "a thousand headers, and one of 100,000 letters")
def many_headers(target: AttackedPlatform) -> str:
    """Check that they are refused."""
    many = {f"X-{i}": "1" for i in range(1_000)}
    statuses = []
    for headers in (many, {"X-Long": "h" * 100_000}):
        answer = target.call("POST", "/openrtb2/alpha", "alpha", content=b"{}", headers=headers)
        statuses.append(answer.status_code)
    return f"{statuses}" if any(not 400 <= one < 500 for one in statuses) else ""
