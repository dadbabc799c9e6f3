"""What cannot start says why in one line."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from raybid.local.ports import free_ports
from raybid.run import main
from verification.strangers.machine import PORTS


def one_line(var_dir: Path, **environment: str) -> str:
    """Return what is said of a platform that does not start."""
    app = typer.Typer()
    app.command()(main)
    free = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    given = {**free, "RAYBID_VAR_DIR": str(var_dir), **environment}
    done = CliRunner().invoke(app, ["--duration", "1"], env=given)
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize("name", ["RAYBID_HTTP_PORT", "RAYBID_DASHBOARD_PORT", "RAYBID_RAY_PORT", "RAYBID_LEDGER_PORT"])
def test_a_taken_port_is_named_with_the_setting_that_moves_it(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        message = one_line(tmp_path, **{name: str(port)})
    assert f"port {port}" in message
    assert name in message


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    message = one_line(tmp_path / "file" / "var")
    assert str(tmp_path / "file" / "var") in message
    assert "RAYBID_VAR_DIR" in message


@pytest.mark.parametrize(
    ("name", "value"), [("RAYBID_HTTP_PORT", "many"), ("RAYBID_HTTP_PORT", "70000"), ("RAYBID_REDIS_URL", "http://x")]
)
def test_a_bad_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    assert name in one_line(tmp_path, **{name: value})
