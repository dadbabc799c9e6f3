"""The load generator's script, with the real wrk against a server that counts."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.serving.wrk import load
from tests.support import require_package

BODIES = [json.dumps({"id": str(number)}) for number in range(7)]


class Exchange(ThreadingHTTPServer):
    """A bidder that bids on all but one request, and notes what it is asked and told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Exchange

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["id"]
        self.server.asked[asked] += 1
        if asked == "3":
            self.answer(204, b"")
            return
        url = f"{self.server.url}/notice"
        bid = {"price": 1.25, "nurl": f"{url}/win/{asked}?price=${{AUCTION_PRICE}}", "burl": f"{url}/bill/{asked}"}
        self.answer(200, json.dumps({"seatbid": [{"bid": [bid]}]}, separators=(",", ":")).encode())

    def do_GET(self) -> None:
        self.server.told[self.path] += 1
        self.answer(404 if self.path.endswith("/5") else 204, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    require_package(shutil.which("wrk"), "wrk")
    server = Exchange()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join(BODIES))
    return path


def test_requests_go_in_turn_and_all_are_counted(exchange: Exchange, requests: Path) -> None:
    done = load(exchange.url, requests, connections=2, seconds=1)
    counts = [exchange.asked[str(number)] for number in range(7)]
    assert min(counts) >= 1
    assert max(counts) - min(counts) <= 1
    assert done.requests <= sum(counts) <= done.requests + 2  # those on their way at the end were not counted
    assert (done.notices, done.errors) == (0, 0)
    assert 0 < done.p50_ms <= done.p90_ms <= done.p99_ms <= done.max_ms


def test_a_rate_is_kept(exchange: Exchange, requests: Path) -> None:
    done = load(exchange.url, requests, connections=8, seconds=3, rate=60)
    assert 80 <= done.requests <= 260


def test_winning_bids_are_told_of_and_billed_at_their_price(exchange: Exchange, requests: Path) -> None:
    done = load(exchange.url, requests, connections=2, seconds=1, wins=1.0)
    assert exchange.told["/notice/win/1?price=1.25"] >= 1
    assert exchange.told["/notice/bill/1"] >= 1
    assert not any("/3" in path for path in exchange.told)
    assert abs(sum(exchange.told.values()) - done.notices) <= 2
    assert done.qps == pytest.approx((done.requests - done.notices) / done.seconds)
    assert done.errors >= exchange.told["/notice/bill/5"] >= 1  # answers from 400 up are errors
