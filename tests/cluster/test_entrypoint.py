"""The image's entry point, with a `ray` that says what it was told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from raybid.local.environment import ROOT

ENTRY = ROOT / "cluster" / "docker" / "entrypoint.sh"
SAYS = """#!/bin/sh
printf '%s\\n' "$0" "$@" "HAPROXY=$RAY_SERVE_ENABLE_HA_PROXY" "NICENESS=$RAY_worker_niceness"
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    for name in ("ray", "python"):
        (tmp_path / name).write_text(SAYS)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def said(tools: Path, *command: str, **environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RAYBID_"))}
    env = kept | {"PATH": f"{tools}:{os.environ['PATH']}", "RAYBID_NODE_IP": "127.0.0.1"} | environment
    return subprocess.run([str(ENTRY), *command], env=env, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_without_a_word_it_is_the_head(tools: Path) -> None:
    words = said(tools)
    assert words == said(tools, "head")
    assert "--head" in words
    assert (option(words, "--port"), option(words, "--node-ip-address")) == ("6380", "127.0.0.1")
    assert "--redis-password" not in words


def test_a_worker_joins_the_head(tools: Path) -> None:
    words = said(tools, "worker", RAYBID_HEAD="first", RAYBID_RAY_PORT="7000", RAYBID_CPUS="4")
    assert (option(words, "--address"), option(words, "--num-cpus")) == ("first:7000", "4")
    assert "--head" not in words


def test_every_node_has_the_environment_of_nodes_unless_told_otherwise(tools: Path) -> None:
    assert said(tools, "worker")[-3:-1] == ["HAPROXY=1", "NICENESS=0"]
    assert said(tools, "worker", RAY_worker_niceness="5")[-3:-1] == ["HAPROXY=1", "NICENESS=5"]


def test_the_head_finds_its_state_with_the_password_of_the_secret(tools: Path) -> None:
    (tools / "redis_password").write_text("hidden\n")
    places = {"RAYBID_SECRETS_DIR": str(tools), "RAY_REDIS_ADDRESS": "redis:6379"}
    assert option(said(tools, "head", **places), "--redis-password") == "hidden"
    assert "--redis-password" not in said(tools, "head", RAYBID_SECRETS_DIR=str(tools))
    assert "--redis-password" not in said(tools, "worker", **places)


def test_it_deploys_with_options(tools: Path) -> None:
    words = said(tools, "deploy", "--patience", "5")
    assert words[0].endswith("/python")
    assert words[1:5] == ["-m", "pipelines.deploy", "--patience", "5"]


def test_any_other_command_is_run(tools: Path) -> None:
    assert said(tools, "echo", "a b")[0] == "a b"
