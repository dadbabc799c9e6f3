"""Forged log lines, and attacks that no counter shows."""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path

from verification.attacks.case import Attacks, Finding
from verification.attacks.cases.files import folders
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_FLUSHED_SECONDS = 2.0
_COUNTER = "raybid_security_events_total"


def _lines_beginning(target: AttackedPlatform, mark: str) -> list[str]:
    """Return lines of any log that begin with a mark, as a forged line would."""
    time.sleep(_FLUSHED_SECONDS)
    found = []
    for folder in folders(target):
        for path in Path(folder).rglob("*"):
            if path.is_file() and path.suffix in (".log", ".out", ".err", ".txt") and path.stat().st_size < 50_000_000:
                lines = path.read_text(errors="replace").splitlines()
                found += [f"{path.name}: {line[:80]}" for line in lines if line.lstrip().startswith(mark)]
    return found


def _raw(target: AttackedPlatform, request: bytes) -> None:
    with socket.create_connection(("127.0.0.1", target.settings.http_port), 5.0) as connection:
        connection.sendall(request)
        connection.settimeout(1.0)
        try:
            connection.recv(4_096)
        except OSError:
            return


@attacks(Finding.LOGS, "line breaks of every kind in paths")
def in_paths(target: AttackedPlatform) -> str:
    """Try them percent-encoded: they are decoded before logging."""
    mark = f"FORGED{secrets.token_hex(4)}"
    breaks = ("%0a", "%0d", "%0d%0a", "%0b", "%0c", "%1c", "%1e", "%c2%85", "%e2%80%a8", "%e2%80%a9")
    for one in breaks:
        for top in ("/openrtb2/x", "/notice/bill/x", "/notice/x", "/explain/x", "/campaign/x", "/x"):
            target.call("GET", f"{top}{one}{mark} all is well", "admin")
            target.call("POST", f"{top}{one}{mark} all is well", "alpha", content=b"{}")
    return ", ".join(_lines_beginning(target, mark)[:3])


@attacks(Finding.LOGS, "line breaks in ids, texts and queries")
def in_bodies(target: AttackedPlatform) -> str:
    """Check that everything in a log is escaped."""
    mark = f"FORGED{secrets.token_hex(4)}"
    for one in ("\n", "\r\n", "\u2028", "\x85", "\x0b", "\x1b[2K\r"):
        text = f"x{one}{mark} all is well"
        target.call("POST", "/openrtb2/alpha", "alpha", json=target.request("money", id=text, imp=[]))
        target.call("POST", "/openrtb2/alpha", "alpha", json=target.request("money", cur=[text], at=text))
        target.call("GET", "/notice/bill/x", params={"price": text})
        target.call("POST", "/auction-result", "alpha", json={"token": text, "won": True})
        target.call("POST", "/campaign/create", "admin", json={"id": text, "name": text})
        target.call("POST", "/models/ctr/publish", "admin", json={"folder": text})
        target.call("POST", "/admin/keys", "admin", json={"name": text, "scopes": ["nothing"]})
    return ", ".join(_lines_beginning(target, mark)[:3])


@attacks(Finding.LOGS, "line breaks in headers")
def in_headers(target: AttackedPlatform) -> str:
    """Include odd bytes."""
    mark = f"FORGED{secrets.token_hex(4)}"
    for one in (b"\r", b"\x85", b"\x0b", b"\xe2\x80\xa8"):
        for name in (b"X-API-Key", b"User-Agent", b"Content-Encoding", b"x-openrtb-version", b"Host"):
            value = b"x" + one + mark.encode()
            request = b"POST /openrtb2/alpha HTTP/1.1\r\n" + name + b": " + value + b"\r\nContent-Length: 2\r\n\r\n{}"
            _raw(target, request)
    return ", ".join(_lines_beginning(target, mark)[:3])


@attacks(Finding.LOGS, "keys in logs")
def keys_logged(target: AttackedPlatform) -> str:
    """Check that neither valid keys nor guesses are logged."""
    guess = f"guess{secrets.token_hex(12)}"
    target.call("POST", "/openrtb2/alpha", content=b"{}", headers={"X-API-Key": guess})
    target.call("GET", "/stats", headers={"X-API-Key": guess})
    target.call("GET", f"/stats?key={guess}", headers={"Authorization": f"Bearer {guess}"})
    time.sleep(_FLUSHED_SECONDS)
    found = []
    for folder in folders(target):
        for path in Path(folder).rglob("*"):
            if path.is_file() and path.suffix in (".log", ".out", ".err"):
                text = path.read_text(errors="replace")
                found += [path.name for key in (guess, *target.keys.values()) if key in text]
    return ", ".join(sorted(set(found)))


def _events(target: AttackedPlatform) -> float:
    text = target.call("GET", "/metrics", "report").text
    lines = [line for line in text.splitlines() if line.startswith(_COUNTER)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _seen(target: AttackedPlatform, before: float) -> str:
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        if _events(target) > before:
            return ""
        time.sleep(0.5)
    return f"{_COUNTER} stays at {before:g}"


@attacks(Finding.EVENTS, "guessed keys that nobody sees")
def unseen_guesses(target: AttackedPlatform) -> str:
    """Check that 401s are counted."""
    before = _events(target)
    for _ in range(3):
        target.call("POST", "/openrtb2/alpha", content=b"{}", headers={"X-API-Key": secrets.token_hex(8)})
        target.call("GET", "/stats", headers={"X-API-Key": secrets.token_hex(8)})
    return _seen(target, before)


@attacks(Finding.EVENTS, "forged notices that nobody sees")
def unseen_forgeries(target: AttackedPlatform) -> str:
    """Check that 403s of notices are counted."""
    before = _events(target)
    for _ in range(3):
        target.call("GET", "/notice/bill/forged", params={"price": "1"})
    return _seen(target, before)


@attacks(Finding.EVENTS, "a price above the bid that nobody sees")
def unseen_price(target: AttackedPlatform) -> str:
    """Charge more than the bid, and check that it is counted."""
    before = _events(target)
    bid = target.bid("prices")
    target.notice(bid["burl"], bid["price"] * 3)
    return _seen(target, before)


@attacks(Finding.EVENTS, "a call with a key that is not for it, that nobody sees")
def unseen_scope(target: AttackedPlatform) -> str:
    """Check that 403s are counted."""
    before = _events(target)
    target.call("GET", "/admin/keys", "alpha")
    return _seen(target, before)
