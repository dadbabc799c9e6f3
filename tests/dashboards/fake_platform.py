"""An HTTP server that answers as the platform does, with answers of the platform's form, and notes what it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

KEY = "the operator's key"
CREATED = 1_790_000_000.0
METRICS = """# HELP raybid_request_duration_seconds Time of a bid request.
# TYPE raybid_request_duration_seconds histogram
raybid_request_duration_seconds_bucket{kind="bid",le="0.01"} 50
raybid_request_duration_seconds_bucket{kind="bid",le="0.1"} 90
raybid_request_duration_seconds_bucket{kind="bid",le="+Inf"} 100
raybid_request_duration_seconds_count{kind="bid"} 100
raybid_request_duration_seconds_sum{kind="bid"} 3
raybid_request_duration_seconds_bucket{kind="notice",le="0.01"} 5
raybid_request_duration_seconds_bucket{kind="notice",le="0.1"} 5
raybid_request_duration_seconds_bucket{kind="notice",le="+Inf"} 5
# HELP raybid_stage_duration_seconds Time of a stage.
# TYPE raybid_stage_duration_seconds histogram
raybid_stage_duration_seconds_bucket{stage="score",le="0.01"} 80
raybid_stage_duration_seconds_bucket{stage="score",le="+Inf"} 80
"""


class Told(NamedTuple):
    """A change that was sent."""

    method: str
    path: str
    version: str | None
    body: Any


def figures(**given: int) -> dict[str, int]:
    names = ("budget", "available", "leased", "reserved", "spent", "moved")
    counts = ("bids", "wins", "bills", "losses", "clicks", "conversions", "unfunded")
    return {**{f"{name}_micros": 0 for name in names}, **dict.fromkeys(counts, 0), **given}


def campaign(number: int, **given: Any) -> dict[str, Any]:
    name = f"c{number}"
    return {
        "id": name,
        "name": f"Campaign {number}",
        "status": "active",
        "budget": {"total_micros": 4_000_000, "flight_seconds": 86_400.0, "daily_micros": 0, "timezone": "UTC"},
        "flight": {"starts_at": None, "ends_at": None},
        "goal": {"kind": "click", "value_micros": 300_000, "max_bid_micros": 0},
        "number": number,
        "version": 3,
        "created_at": datetime.fromtimestamp(CREATED, UTC).isoformat(),
        "figures": figures(
            budget_micros=4_000_000,
            available_micros=3_000_000,
            spent_micros=1_000_000,
            bids=200,
            wins=50,
            bills=40,
            losses=140,
            clicks=4,
        ),
        **given,
    }


PORTFOLIO = {
    "id": "season",
    "name": "a portfolio",
    "status": "active",
    "strategy": "dual",
    "version": 2,
    "total_micros": 8_000_000,
    "decisions": 9,
    "figures": {"spend_micros": 2_000_000, "roi": 0.2},
    "campaigns": {
        "c1": {"budget_micros": 5_000_000, "spend_micros": 1_000_000, "roi": 0.2, "roi_low": -0.1, "roi_high": 1.0},
        "c2": {"budget_micros": 3_000_000, "spend_micros": 1_000_000, "roi": None, "roi_low": None, "roi_high": None},
    },
}
MOVES = [
    {"at": "2026-11-26T10:00:00+00:00", "source": "c2", "target": "c1", "micros": 400_000, "because": "dual: one"},
    {"at": "2026-11-26T10:01:00+00:00", "source": "c2", "target": "c1", "micros": 600_000, "because": "dual: two"},
]
DECISION: dict[str, Any] = {"at": "2026-11-26T09:00:00+00:00", "before": None, "reason": "a test", "comparison": {}}
RECORD: dict[str, Any] = {
    "champion": "b" * 12,
    "former": "a" * 12,
    "history": [
        {**DECISION, "action": "adopted", "version": "a" * 12},
        {
            **DECISION,
            "action": "published",
            "version": "b" * 12,
            "comparison": {"measures": [{"name": "auc", "candidate": 0.71, "champion": 0.7}]},
        },
    ],
}
REPLICA = {"replica": "r1", "version": "b" * 12, "state": "ok", "since": 1.0, "refused": "", "at": 2.0}
PARTS = {name: {"state": "ok"} for name in ("ledger", "catalog", "models", "events", "snapshots")}


class FakePlatform:
    """Answers of a platform with two campaigns and a portfolio.

    Attributes:
        url: where it listens.
        told: changes that were sent, in order.
        changed: what a change is answered with.
        answers: by path, for a test to change; a status and a body.
    """

    def __init__(self) -> None:
        self.url = ""
        self.told: list[Told] = []
        self.changed: Any = {"done": True}
        both = [campaign(1), campaign(2)]
        counters = {
            "requests": 500,
            "bid_responses": 400,
            "no_bid.below_floor": 90,
            "shed.no_time": 10,
            "exchange.openrtb26.requests": 500,
            "exchange.openrtb26.bid_responses": 400,
        }
        stats = {"ledger": {}, "campaigns": {one["id"]: one["figures"] for one in both}, "counters": counters}
        self.answers: dict[str, tuple[int, Any]] = {
            "/campaigns": (200, both),
            "/campaign/c1": (200, both[0]),
            "/campaign/c2": (200, both[1]),
            "/campaign/c1/history": (200, [{"at": "2026", "actor": "key:1", "action": "create", "version": 1}]),
            "/stats": (200, {**stats, "events": {"length": 0, "lag": 0.0}}),
            "/metrics": (200, METRICS),
            "/health": (200, {"status": "ok", "durability": "each write", "campaigns": 2, "parts": PARTS}),
            "/models": (200, {kind: {"published": "b" * 12, "replicas": [REPLICA]} for kind in ("ctr", "policy")}),
            "/models/ctr": (200, RECORD),
            "/models/policy": (200, {"champion": None, "former": None, "history": []}),
            "/admin/artefacts": (200, {"ctr": {"version": "b" * 12, "created": "2026", "trained_on": "a test"}}),
            "/portfolio": (200, [PORTFOLIO]),
            "/portfolio/season": (200, PORTFOLIO),
            "/portfolio/season/history": (200, MOVES),
        }

    def answer(self, method: str, path: str, key: str | None, told: Told) -> tuple[int, Any]:
        if key != KEY and path not in ("/health", "/stats", "/metrics"):
            return 401, {"detail": "X-API-Key is missing, unknown or revoked"}
        if method == "GET":
            return self.answers.get(path, (404, {"detail": f"there is no {path}"}))
        self.told.append(told)
        if told.version is not None and told.version != '"3"' and "/campaign/" in path:
            return 412, {"detail": "campaign 'c1' is at version 3: read it again"}
        return 200, self.changed


@contextmanager
def serving(platform: FakePlatform) -> Iterator[FakePlatform]:
    """Listen while the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = re.sub(r"\?.*", "", self.path)
            told = Told(self.command, path, self.headers.get("If-Match"), body)
            status, found = platform.answer(self.command, path, self.headers.get("X-API-Key"), told)
            is_text = isinstance(found, str)
            sent = found.encode() if is_text else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if is_text else "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PATCH = _any  # noqa: N815 - names of http.server

        def log_message(self, *told: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    platform.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
