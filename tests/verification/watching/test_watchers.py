"""A real Prometheus and Alertmanager: what stops answering is told within its window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from raybid.local import LaunchError
from tests.support import require_package, until
from verification.watching.servers import Watchers, tool, watchers

KEY = "a key that reads figures"
_WINDOW_SECONDS = 60.0


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Authorization"] == f"Bearer {KEY}" else 401)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b'raybid_ready 1\nraybid_part_up{part="ledger"} 1\n')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bidder() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.server_close()


def test_who_stops_answering_is_reported_down(bidder: ThreadingHTTPServer, tmp_path: Path) -> None:
    require_package(shutil.which("prometheus"), "prometheus")
    require_package(shutil.which("alertmanager") or shutil.which("prometheus-alertmanager"), "prometheus-alertmanager")
    with watchers(tmp_path, {"raybid": [f"127.0.0.1:{bidder.server_port}"], "ray": [], "haproxy": []}, KEY) as at:
        until(lambda: at.query("raybid_ready == 1"), 30, "it is not scraped", every=0.5)
        scraped = datetime.now(UTC)
        until(lambda: first_evaluation(at) > scraped, 30, "rules are not evaluated", every=0.5)
        assert at.firing() == set()
        bidder.shutdown()
        bidder.server_close()
        until(lambda: "RaybidDown" in at.firing(), _WINDOW_SECONDS, "nobody was told", every=1)


def first_evaluation(at: Watchers) -> datetime:
    """Return when the group of rules that was evaluated first of all was."""
    groups = httpx.get(f"{at.prometheus}/api/v1/rules").json()["data"]["groups"]
    return min(datetime.fromisoformat(group["lastEvaluation"]) for group in groups)


def test_what_is_not_installed_is_told_with_what_to_do() -> None:
    with pytest.raises(LaunchError, match="apt-get install prometheus"):
        tool("no-command-of-this-name")
