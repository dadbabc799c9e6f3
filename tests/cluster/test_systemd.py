"""The units of `cluster/systemd`: always running, not as root, and what systemd accepts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from raybid.cli.main import app
from raybid.local.environment import ROOT

UNITS = sorted((ROOT / "cluster" / "systemd").glob("*.service"))


def told(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.M):
        found.setdefault(name, []).append(value)
    return found


def test_there_is_one_for_the_head_and_one_for_the_others() -> None:
    assert [unit.name for unit in UNITS] == ["raybid-head.service", "raybid-host.service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_runs_for_ever_as_a_user_with_the_settings_of_all_hosts(unit: Path) -> None:
    found = told(unit)
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["User"] == ["raybid"]
    assert "/etc/raybid/cluster.env" in found["EnvironmentFile"]
    assert found["KillMode"] == ["control-group"]
    (command,) = found["ExecStart"]
    program, room, verb = command.split()
    assert program == "/opt/raybid/.venv/bin/raybid"
    commands = typer.main.get_command(app).commands[room].commands  # type: ignore[attr-defined]
    assert verb in commands


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_accepts_it(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    here = tmp_path / unit.name  # with a program that is here
    here.write_text(unit.read_text().replace("/opt/raybid/.venv/bin/raybid", "/bin/true"))
    done = subprocess.run([analyze, "verify", "--man=no", str(here)], capture_output=True, text=True, check=False)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if unit.stem in line]
    assert ours == []
