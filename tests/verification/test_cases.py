"""The attacks themselves: they succeed against a server that lets everybody in, and not against one that does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rtb.runtime.settings import Settings
from verification.attacks.bounds import LEAST_ATTACKS
from verification.attacks.case import Attack, Finding
from verification.attacks.cases import every
from verification.attacks.stranger import Stranger
from verification.attacks.target import EXCHANGES, AttackedPlatform

_PATHS: dict[str, dict[str, object]] = {f"/admin/call-{number}": {"get": {}, "post": {}} for number in range(20)}
_WITHOUT_RIGHTS = (
    "a bid with no key",
    "a bid with a made-up key",
    "a bid at /openrtb2/bid without a key",
    "POST /bid without a key",
    "another exchange's endpoint with a key that is good elsewhere",
    "every call of the API without a key",
    "every call of the API with a made-up key",
    "every call but bids with an exchange's key",
    "every change with a key that may only read reports",
    "/stats and /metrics without a key",
    "DELETE /users with alpha key",
)


class _Handler(BaseHTTPRequestHandler):
    """Answers every call alike, but the API's document."""

    status = 200

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(size)
        is_document = self.path == "/openapi.json"
        body = json.dumps({"paths": _PATHS}).encode() if is_document else b"{}"
        self.send_response(200 if is_document else self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.do_GET
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:
        pass


def target_of(status: int, folder: Path) -> Iterator[AttackedPlatform]:
    handler = type("Handler", (_Handler,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(http_port=server.server_address[1], var_dir=folder)
        keys = {name: f"key-of-{name}-0123456789" for name in (*EXCHANGES, "admin", "report")}
        target = AttackedPlatform(settings, keys, Stranger())
        yield target
        target.close()
        server.shutdown()


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[AttackedPlatform]:
    yield from target_of(200, tmp_path)


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[AttackedPlatform]:
    yield from target_of(401, tmp_path)


def named(name: str) -> Attack:
    (found,) = [one for one in every() if one.name == name]
    return found


@pytest.mark.parametrize("name", _WITHOUT_RIGHTS)
def test_an_attack_succeeds_where_everybody_is_let_in(open_to_all: AttackedPlatform, name: str) -> None:
    assert named(name).act(open_to_all)


@pytest.mark.parametrize("name", _WITHOUT_RIGHTS)
def test_an_attack_does_not_succeed_where_nobody_is(closed: AttackedPlatform, name: str) -> None:
    assert named(name).act(closed) == ""


def test_every_finding_has_attacks_and_every_attack_a_name_of_its_own() -> None:
    attacks = every()
    assert len(attacks) > LEAST_ATTACKS
    assert len({f"{one.finding}: {one.name}" for one in attacks}) == len(attacks)
    assert {one.finding for one in attacks} == set(Finding)
