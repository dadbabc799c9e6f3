"""The training verb: from nothing to an artefact that loads, and one clear line when it cannot be done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.train_policy import _progress
from rllib_configs.env import PacingCore
from rtb import artefacts, pacing, policy
from rtb.market.episodes import Shape


def _run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with `folder` as home and as the platform's folder."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_AUTH_MODE")}
    return subprocess.run(
        [sys.executable, "-m", "pipelines.train_policy", *arguments],
        env=inherited | {"HOME": str(folder), "RAYBID_VAR_DIR": str(folder / "var")} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("train")
    return folder, _run(folder, "--algo", "ppo", "--steps", "10000", "--seed", "2")


def test_last_line_reports_a_policy_better_than_neutral(
    trained: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = trained
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert list(report) == [
        "algo",
        "steps",
        "seconds",
        "reward_policy",
        "reward_neutral",
        "value_share_policy",
        "value_share_neutral",
        "artefact",
        "version",
    ]
    assert report["algo"] == "ppo"
    assert 10_000 <= report["steps"] < 13_000
    assert report["reward_policy"] > report["reward_neutral"] + 4
    assert report["value_share_policy"] > report["value_share_neutral"]
    assert report["artefact"] == str(folder / "var" / "models" / "policy")


def test_artefact_paces_without_ray(trained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = trained
    report = json.loads(done.stdout.splitlines()[-1])
    loaded = policy.load(folder / "var" / "models" / "policy")
    assert loaded.version == report["version"]
    core = PacingCore(Shape(4, 20))
    observation = core.start([1, 2, 3])
    while not core.done:
        multipliers = loaded.multipliers(observation)
        assert ((multipliers >= pacing.MULTIPLIER_LOW) & (multipliers <= pacing.MULTIPLIER_HIGH)).all()
        observation, _ = core.step(multipliers)
    meta = artefacts.load(
        folder / "var" / "models" / "policy", kind="policy", schema_version=pacing.SCHEMA_VERSION
    ).meta
    assert meta.metrics["reward_policy"] == report["reward_policy"]
    assert (meta.config["algo"], meta.config["seed"]) == ("ppo", 2)


def test_checkpoint_is_written_and_home_left_alone(
    trained: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = trained
    assert (folder / "var" / "checkpoints" / "ppo" / "rllib_checkpoint.json").exists()
    assert not (folder / ".ray" / "auth_token").exists()


def test_plain_lines_where_nobody_watches(trained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = trained
    lines = [line for line in done.stderr.splitlines() if "of 10000 steps" in line]
    assert 2 <= len(lines) <= 10
    assert "\x1b" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_dqn_within_its_seconds(tmp_path: Path) -> None:
    done = _run(tmp_path, "--algo", "dqn", "--seconds", "2", "--out", str(tmp_path / "mine"))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["steps"] < 30_000
    assert policy.load(tmp_path / "mine").head == "levels"
    assert report["version"] == policy.load(tmp_path / "mine").version


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--address", "127.0.0.1:1"), "127.0.0.1:1"),
        (("--out", "/proc/nowhere/policy"), "/proc/nowhere"),
    ],
)
def test_one_clear_line_when_it_cannot_be_done(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    done = _run(tmp_path, *arguments, RAYBID_VAR_DIR=str(tmp_path))
    assert done.returncode == 1
    assert says in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("train_policy: ")
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_unknown_algorithm_is_refused(tmp_path: Path) -> None:
    done = _run(tmp_path, "--algo", "sac")
    assert done.returncode == 2
    assert "sac" in done.stderr


def test_bar_on_a_terminal_shows_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress(Console(force_terminal=True, width=120), 100) as show:
        show(50, 3.25)
        show(100, 4.5)
    assert "100 of 100 steps, return while exploring 4.5" in capsys.readouterr().out
