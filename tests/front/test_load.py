"""`make load` against a real platform: it passes an SLA within reach and fails one out of reach."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.front.conftest import Front
from tests.load.verdict import verdict

pytestmark = pytest.mark.cluster


def load(front: Front, *words: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "tests.load", "--host", front.url, "--users", "8", "--duration", "6", *words]
    done = front.run(command, timeout=150)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_an_sla_within_reach_passes_with_reports(front: Front) -> None:
    """With spikes, and users in two processes."""
    code, told = load(front, "--sla-ms", "5000", "--shape", "spike", "--workers", "2")
    assert code == 0, told
    assert (told["passed"], told["failures"]) == (True, 0)
    assert told["requests"] > 0
    reports = Path(front.env["RAYBID_VAR_DIR"]) / "load"
    assert "<html" in (reports / "report.html").read_text()
    assert (reports / "figures_stats.csv").read_text().count("\n") >= 3


def test_one_out_of_reach_fails_the_run(front: Front) -> None:
    code, told = load(front, "--sla-ms", "1")
    assert code == 1
    assert told["passed"] is False
    assert told["p99_ms"] >= 1
    assert told["failures"] == 0
    assert told["requests"] >= 8  # a call of each user; a busy machine answers far fewer than 96
    assert {"bid", "batch"} <= set(told["p99_ms_by_task"])


class Figures:
    """As Locust has them, of calls that took so long (milliseconds), some of which failed."""

    def __init__(self, took: list[float], failures: int = 0) -> None:
        self.num_requests, self.num_failures, self.total_rps = len(took), failures, 1.0
        self._took = sorted(took)
        self.total, self.entries = self, {("bid", "POST"): self}

    def get_response_time_percentile(self, part: float) -> float | None:
        return self._took[min(int(part * len(self._took)), len(self._took) - 1)] if self._took else None


@pytest.mark.parametrize(
    ("figures", "passed"),
    [
        (Figures([10.0] * 200), True),
        (Figures([10.0] * 200, failures=1), False),  # however quick
        (Figures([10.0] * 190 + [150.0] * 10), False),
        (Figures([10.0] * 199 + [150.0]), True),
        (Figures([]), False),
    ],
)
def test_the_verdict_is_of_percentile_failures_and_calls(figures: Figures, passed: bool) -> None:
    assert verdict(figures, 100.0)["passed"] is passed
