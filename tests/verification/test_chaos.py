"""The trial: a platform whose parts are killed while the exchange lies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from raybid.local import postgres
from raybid.local.environment import ROOT
from raybid.local.ports import free_ports
from tests.support import require_package
from verification.strangers.machine import PORTS

pytestmark = pytest.mark.cluster

PARTS = {"RLBidder", "Router", "Controller", "ledger server"}


def chaos(var_dir: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    free = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    return subprocess.run(
        [sys.executable, "-m", "verification.chaos", *options],
        cwd=ROOT,
        env={**os.environ, **free, "RAYBID_VAR_DIR": str(var_dir), **environment},
        capture_output=True,
        text=True,
        timeout=420,
        check=False,
    )


@pytest.mark.timeout(600)
def test_money_survives_kills_and_lies(tmp_path: Path):
    """On redis-server and PostgreSQL; that the embedded server comes back is tested on the platform of all tests."""
    require_package(shutil.which("redis-server"), "redis-server")
    require_package(postgres.binaries(), "postgresql")
    done = chaos(tmp_path, "--duration", "30", "--rate", "60", "--budget", "60000", "--own-servers")
    assert done.returncode == 0, done.stderr[-3_000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    zeros = ["overspend_micros", "double_settled", "lost_settlements", "forged_accepted", "stuck_micros_after_ttl"]
    zeros += ["rebuilt_differs", "moved_differs_micros", "portfolio_differs_micros"]
    assert {figures[name] for name in zeros} == {0}
    assert figures["moves"] > 0  # and it went from one campaign to another
    assert figures["settled"] > 50  # there was money to lose
    assert set(figures["recovered_s_by_part"]) == PARTS
    assert all(figures["faults"][kind] > 0 for kind in ("repeated", "dropped", "late", "forged"))
    assert figures["replay"]["status"]["200"] > 100


def test_somebody_elses_ledger_is_not_killed(tmp_path: Path):
    done = chaos(tmp_path, RAYBID_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "RAYBID_REDIS_URL" in line
