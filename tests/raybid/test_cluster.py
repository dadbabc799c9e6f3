"""`raybid cluster`: the file of settings, what each command becomes, and what it refuses, with a line."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from raybid.cli.main import app
from raybid.local import nodes
from raybid.local.environment import ray_settings
from rtb.runtime.settings import Settings
from rtb.runtime.several_hosts import faults
from tests.cluster_settings import RIGHT, WRONG, environment, spoilt

HEAD = "127.0.0.1"
"""Of the tests' head: nothing leaves the machine."""

Became = list[tuple[list[str], dict[str, str]]]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("RAY_", "RAYBID_", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> Became:
    """Return what commands became, with their environment."""
    found: Became = []
    monkeypatch.setattr(nodes, "become", lambda command, environment: found.append((command, dict(environment))))
    monkeypatch.setattr(nodes, "await_head", lambda place, seconds, say: None)
    return found


def run(told: dict[str, str], *words: str) -> Any:
    return CliRunner().invoke(app, ["cluster", *words], env=told)


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def read_by_a_shell(path: Path) -> dict[str, str]:
    script = f"set -a; . {path}; env -0"
    done = subprocess.run(["sh", "-c", script], env={}, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


def test_init_writes_what_every_host_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cluster.env"
    given = {
        "--redis-url": "redis://:pass$word&1@10.9.0.2:6379/0",
        "--database-url": RIGHT["RAYBID_DATABASE_URL"],
        "--store": "s3://raybid/a?endpoint_override=https://10.9.0.2:9000&region=x",
        "--public-url": "https://bid.example.com",
        "--head": "10.9.0.1",
    }
    done = run({}, "init", str(file), *(word for pair in given.items() for word in pair))
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = read_by_a_shell(file)
    assert told["RAYBID_REDIS_URL"] == given["--redis-url"]
    assert told["RAYBID_HEAD"] == "10.9.0.1"
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert faults(Settings(), told) == []
    assert "RAYBID_" not in done.output  # nothing is left to fill in


def test_init_generates_secrets_and_says_what_is_missing(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.env", "b.env")]
    said = [run({}, "init", str(file)).output for file in files]
    assert "fill in RAYBID_REDIS_URL, RAYBID_DATABASE_URL, RAYBID_STORE, RAYBID_PUBLIC_URL, RAYBID_HEAD" in said[0]
    one, other = map(read_by_a_shell, files)
    secrets = [name for name, value in one.items() if len(value) > 40]
    assert len(secrets) == 6
    assert not [name for name in secrets if one[name] == other[name]]
    assert one["RAYBID_REDIS_URL"] == ""


def test_init_never_overwrites(tmp_path: Path) -> None:
    file = tmp_path / "cluster.env"
    file.write_text("of somebody\n")
    done = run({}, "init", str(file))
    assert done.exit_code == 1
    assert "never overwritten" in done.output
    assert file.read_text() == "of somebody\n"


def test_the_head_starts_ray_without_replicas_and_keeps_its_state_in_redis(tmp_path: Path, became: Became) -> None:
    done = run(environment(tmp_path), "head", "--address", "10.9.0.1")
    assert done.exit_code == 0, done.output
    ((words, told),) = became
    assert words[0].endswith("/ray")
    assert words[1] == "start"
    assert {"--head", "--block", "--no-monitor"} <= set(words)
    assert option(words, "--include-log-monitor") == "false"
    assert (option(words, "--node-ip-address"), option(words, "--port")) == ("10.9.0.1", "6380")
    assert (option(words, "--num-cpus"), option(words, "--dashboard-host")) == ("0", "10.9.0.1")
    assert option(words, "--redis-password") == "a-redis-password-1"
    assert told["RAY_REDIS_ADDRESS"] == "10.9.0.2:6379"
    assert told["RAY_external_storage_namespace"] == "raybid"
    assert ray_settings().items() <= told.items()
    assert (tmp_path / "store" / "cluster" / "10.9.0.1.json").exists()


def test_what_the_environment_says_comes_before_ray_env(tmp_path: Path, became: Became) -> None:
    own = {"RAY_worker_niceness": "5", "RAY_external_storage_namespace": "mine", "RAYBID_CPUS": "3"}
    run(environment(tmp_path) | own, "head", "--address", "10.9.0.1")
    ((words, told),) = became
    assert (told["RAY_worker_niceness"], told["RAY_external_storage_namespace"]) == ("5", "mine")
    assert option(words, "--num-cpus") == "3"
    assert "--include-log-monitor" not in words  # there are workers


def test_a_redis_with_tls_and_a_user_holds_the_state(tmp_path: Path, became: Became) -> None:
    url = "rediss://ray%40home:p%2Fw@redis.example:7000/2"
    run(environment(tmp_path) | {"RAYBID_REDIS_URL": url}, "head", "--address", "10.9.0.1")
    ((words, told),) = became
    assert told["RAY_REDIS_ADDRESS"] == "rediss://redis.example:7000"
    assert (option(words, "--redis-username"), option(words, "--redis-password")) == ("ray@home", "p/w")


def test_another_redis_for_the_state_has_its_own_password(tmp_path: Path, became: Became) -> None:
    (tmp_path / "redis_password").write_text("hidden\n")
    told = environment(tmp_path) | {"RAY_REDIS_ADDRESS": "other:6379", "RAYBID_SECRETS_DIR": str(tmp_path)}
    run(told, "head", "--address", "10.9.0.1")
    run(told | {"RAY_REDIS_PASSWORD": "told"}, "head", "--address", "10.9.0.1")
    (file, _), (variable, told_to_ray) = became
    assert (option(file, "--redis-password"), option(variable, "--redis-password")) == ("hidden", "told")
    assert told_to_ray["RAY_REDIS_ADDRESS"] == "other:6379"


def test_a_host_joins_its_head(tmp_path: Path, became: Became) -> None:
    told = environment(tmp_path)
    assert run(told, "record", "--address", HEAD).exit_code == 0
    for words in (("join", f"{HEAD}:7000", "--cpus", "4"), ("join",)):
        done = run(told | {"RAYBID_HEAD": HEAD}, *words)
        assert done.exit_code == 0, done.output
    (first, environment_of_ray), (second, _) = became
    assert (option(first, "--address"), option(first, "--num-cpus")) == (f"{HEAD}:7000", "4")
    assert option(second, "--address") == f"{HEAD}:6380"
    assert "--num-cpus" not in second
    ports = [
        option(first, f"--{name}-port") for name in ("metrics-export", "dashboard-agent-grpc", "runtime-env-agent")
    ]
    assert "0" not in ports  # Ray would wait to be told another, and not for long
    assert "--head" not in first + second
    assert not [word for word in first if "redis" in word]
    assert environment_of_ray["RAY_gcs_rpc_server_reconnect_timeout_s"] == "600"


@pytest.mark.parametrize("command", [("head", "--address", HEAD), ("join", HEAD), ("deploy", HEAD), ("record",)])
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_refused_with_its_line(
    command: tuple[str, ...], wrong: tuple[str, str | None, str], tmp_path: Path, became: Became
) -> None:
    name, value, line = wrong
    if command[0] == "deploy" and name.startswith("RAYBID_REQUIRE"):
        line = f"RAYBID_PUBLIC_URL leads to bid.example.com, which others may reach: set {name}=true"
    done = run(spoilt(tmp_path, name, value), *command)
    assert done.exit_code == 1
    (said,) = done.output.strip().splitlines()
    program = "deploy" if command[0] == "deploy" else "raybid"
    assert said.startswith(f"{program}: {line}")
    assert became == []
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("command", ["join", "deploy"])
def test_a_folder_of_its_own_and_another_secret_are_refused(command: str, tmp_path: Path, became: Became) -> None:
    told = environment(tmp_path)
    done = run(told, command, HEAD)
    assert done.exit_code == 1
    assert f"the store {tmp_path}/store/cluster is not that of the head at {HEAD}" in done.output
    run(told, "record", "--address", HEAD)
    done = run(told | {"RAYBID_NOTICE_SECRET": "ns-another-1c9e7b50d2"}, command, HEAD)
    assert done.exit_code == 1
    (said,) = done.output.strip().splitlines()
    assert "RAYBID_NOTICE_SECRET is not that of the head" in said
    assert became == []


def test_a_head_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    told = environment(tmp_path)
    done = run(told, "join", f"{HEAD}:1", "--patience", "0")
    assert done.exit_code == 1
    (said,) = done.output.strip().splitlines()
    assert "no head answers at 127.0.0.1:1" in said
    done = run(told, "join", "head.invalid")
    assert done.exit_code == 1
    assert "the head head.invalid is not found" in done.output
