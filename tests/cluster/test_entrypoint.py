"""The image's entry point, with a `python` that says what it was told. Its commands: `tests.raybid.test_cluster`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from raybid.local.environment import ROOT

ENTRY = ROOT / "cluster" / "docker" / "entrypoint.sh"
SAYS = """#!/bin/sh
printf '%s\\n' "$@" "HEAD=$RAYBID_HEAD" "DASHBOARD=$RAYBID_DASHBOARD_HOST"
"""
COMMAND = ["-m", "raybid.cli.main", "cluster"]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    (tmp_path / "python").write_text(SAYS)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def said(tools: Path, *command: str, **environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RAYBID_"))}
    env = kept | {"PATH": f"{tools}:{os.environ['PATH']}"} | environment
    done = subprocess.run([str(ENTRY), *command], env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_without_a_word_it_is_the_head(tools: Path) -> None:
    words = said(tools)
    assert words == said(tools, "head")
    assert words[:4] == [*COMMAND, "head"]
    assert words[-1] == "DASHBOARD=0.0.0.0"
    assert said(tools, "head", RAYBID_DASHBOARD_HOST="10.9.0.1")[-1] == "DASHBOARD=10.9.0.1"


def test_a_worker_joins_the_head(tools: Path) -> None:
    words = said(tools, "worker", "--cpus", "4", RAYBID_HEAD="first")
    assert words[:6] == [*COMMAND, "join", "--cpus", "4"]
    assert "HEAD=first" in words
    assert "HEAD=head" in said(tools, "worker")


def test_it_deploys_with_options(tools: Path) -> None:
    assert said(tools, "deploy", "--patience", "5")[:6] == [*COMMAND, "deploy", "--patience", "5"]


def test_any_other_command_is_run(tools: Path) -> None:
    assert said(tools, "echo", "a b")[0] == "a b"
