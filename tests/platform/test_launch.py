"""What cannot start says why in one line, and leaves nothing running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from raybid.local.environment import ROOT
from raybid.local.ports import free_ports

pytestmark = pytest.mark.servers


def run(var_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raybid.run", "--duration", "1"]
    names: tuple[str, ...] = ("RAYBID_HTTP_PORT", "RAYBID_DASHBOARD_PORT", "RAYBID_RAY_PORT", "RAYBID_RAY_CLIENT_PORT")
    names += ("RAYBID_LEDGER_PORT", "RAY_SERVE_HAPROXY_METRICS_PORT", "RAY_SERVE_HAPROXY_STATS_PORT")
    free = {name: str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}
    given = {**os.environ, **free, "RAYBID_VAR_DIR": str(var_dir), **environment}
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize("name", ["RAYBID_HTTP_PORT", "RAYBID_DASHBOARD_PORT", "RAYBID_RAY_PORT", "RAYBID_LEDGER_PORT"])
def test_a_taken_port_is_named_with_the_setting_that_moves_it(tmp_path: Path, name: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        message = one_line(run(tmp_path, **{name: str(port)}))
    assert f"port {port}" in message
    assert name in message


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    message = one_line(run(tmp_path / "file" / "var"))
    assert str(tmp_path / "file" / "var") in message
    assert "RAYBID_VAR_DIR" in message


@pytest.mark.parametrize(
    ("name", "value"), [("RAYBID_HTTP_PORT", "many"), ("RAYBID_HTTP_PORT", "70000"), ("RAYBID_REDIS_URL", "http://x")]
)
def test_a_bad_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    assert name in one_line(run(tmp_path, **{name: value}))
