"""Kills during a trial."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import httpx
import pytest

from rtb.runtime.settings import Settings
from simulation.exchange import ReplayFigures
from verification.faults.strikes import FaultInjector


def test_a_kill_waits_for_a_dashboard_that_is_slow_to_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A trial ended so with nothing killed."""
    asked: list[str] = []
    figures = ReplayFigures()
    with subprocess.Popen(["sleep", "60"]) as victim, subprocess.Popen(["sleep", "60"]) as successor:

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path)
            if request.url.path == "/health":
                figures.bids += 100
                return httpx.Response(200)
            if len(asked) < 3:
                raise httpx.ReadTimeout("", request=request)
            running = victim if victim.poll() is None else successor
            replicas = [{"pid": running.pid, "state": "RUNNING"}]
            return httpx.Response(
                200, json={"applications": {"raybid": {"deployments": {"Router": {"replicas": replicas}}}}}
            )

        injector = FaultInjector(Settings(var_dir=tmp_path), lambda: figures, lambda: None, lambda text: None)
        monkeypatch.setattr(injector, "_http", httpx.AsyncClient(transport=httpx.MockTransport(answer)))
        try:
            asyncio.run(injector.strike_all([(0.0, "Router")]))
            assert victim.poll() is not None
        finally:
            victim.kill()
            successor.kill()
    (fault,) = injector.injected
    assert fault.pid == victim.pid
    assert fault.recovered_s is not None
