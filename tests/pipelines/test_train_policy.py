"""The training verb: from nothing to an artefact that loads, and one clear line when it cannot be done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from pipelines.policy_training import kept
from pipelines.policy_training.kept import CheckpointError, TrainingState
from pipelines.policy_training.screen import progress
from pipelines.policy_training.validation import BUDGETS, Yardstick, score
from pipelines.train_policy import train
from rtb.models import artefacts, observation, policy
from simulation.sample_logs import write_logs
from simulation.worlds import COUNTED, DAILY, LOGGED, fingerprint

Done = subprocess.CompletedProcess[str]


def _run(folder: Path, *arguments: str, **environment: str) -> Done:
    """Run the command in its own process, with `folder` as home and as the platform's folder."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_AUTH_MODE")}
    return subprocess.run(
        [sys.executable, "-m", "pipelines.train_policy", *arguments],
        env=inherited | {"HOME": str(folder), "RAYBID_VAR_DIR": str(folder / "var")} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "logs"
    write_logs(folder, campaigns=2, streams=0, episodes=12, seed=2)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, logs: Path) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("train")
    return folder, _run(folder, *_options(logs), "--steps", "96000")


def _options(logs: Path) -> tuple[str, ...]:
    return "--algo", "ppo", "--data", str(logs), "--markets", "4", "--seed", "2"


def _report(done: Done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@pytest.mark.cluster
def test_it_learns_to_look_ahead(trained: tuple[Path, Done]) -> None:
    """Five updates are enough to bid more where the level that foresees the day is above the loop's."""
    folder, done = trained
    report = _report(done)
    assert list(report) == ["algo", "steps", "seconds", "best_steps", "score", "gains", "artefact", "version"]
    assert 96_000 <= report["steps"] < 120_000
    assert list(report["gains"]) == [LOGGED, COUNTED, DAILY]
    state = np.zeros((2, observation.OBSERVATION_SIZE), np.float32)
    state[:, observation.OBSERVATION.index("ahead")] = -0.5, 0.5
    less, more = policy.load(folder / "var" / "models" / "policy").multipliers(state)
    assert more > 1.01 * less
    assert report["artefact"] == str(folder / "var" / "models" / "policy")


@pytest.mark.cluster
def test_the_artefact_says_how_it_was_made(trained: tuple[Path, Done], logs: Path) -> None:
    folder, done = trained
    report = _report(done)
    made = folder / "var" / "models" / "policy"
    loaded = policy.load(made)
    assert loaded.version == report["version"]
    meta = artefacts.load(made, kind="policy", schema_version=observation.SCHEMA_VERSION).meta
    assert meta.config["command"] == (
        "python -m pipelines.train_policy --algo ppo --data logs --steps 96000 --seed 2 --markets 4"
    )
    assert meta.config["seed"] == 2
    assert fingerprint(logs) in meta.trained_on
    assert str(logs.parent) not in (made / artefacts.META).read_text()
    assert meta.metrics["gain daily 1/32"] == report["gains"][DAILY]["1/32"]


@pytest.mark.cluster
def test_home_is_left_alone(trained: tuple[Path, Done]) -> None:
    folder, _ = trained
    assert not (folder / ".ray" / "auth_token").exists()


@pytest.mark.cluster
def test_plain_lines_where_nobody_watches(trained: tuple[Path, Done]) -> None:
    _, done = trained
    assert len([line for line in done.stderr.splitlines() if " of 96,000 decisions, score " in line]) == 1
    assert "\x1b" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.cluster
def test_a_training_goes_on_where_it_ended(trained: tuple[Path, Done], logs: Path) -> None:
    folder, done = trained
    before = _report(done)
    more = _report(_run(folder, *_options(logs), "--steps", "100000", "--resume", "--out", str(folder / "more")))
    assert before["steps"] < more["steps"] < before["steps"] + 2 * 19_200  # one round, not all of them again
    assert more["seconds"] > before["seconds"]
    assert more["score"] >= before["score"]
    other = _run(folder, "--seed", "3", "--steps", "1", "--resume")
    assert other.returncode == 1
    assert other.stderr.splitlines()[-1].startswith("train_policy: the training in")


@pytest.mark.cluster
def test_a_sweep_writes_its_best_policy(tmp_path: Path) -> None:
    done = _run(
        tmp_path, "--algo", "dqn", "--steps", "2000", "--markets", "2", "--tune", "2", "--out", str(tmp_path / "mine")
    )
    report = _report(done)
    loaded = policy.load(tmp_path / "mine")
    assert (loaded.head, loaded.version) == ("levels", report["version"])
    meta = artefacts.load(tmp_path / "mine", kind="policy", schema_version=observation.SCHEMA_VERSION).meta
    assert {"lr", "gamma", "intensity"} <= set(meta.config)
    assert "gamma" in done.stderr  # the table of trials
    assert "2 of 2 trials, best score" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--out", "/proc/nowhere/policy"), "/proc/nowhere"),
        (("--data", "/nowhere"), "/nowhere"),
        (("--tune", "2", "--resume"), "--tune"),
    ],
)
def test_one_clear_line_when_it_cannot_be_done(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    done = _invoke(tmp_path, *arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("train_policy: ")
    assert says in line


def test_a_cluster_that_is_away_is_one_clear_line(tmp_path: Path) -> None:
    done = _run(tmp_path, "--address", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("train_policy: ")
    assert "127.0.0.1:1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_unknown_algorithm_is_refused(tmp_path: Path) -> None:
    done = _invoke(tmp_path, "--algo", "sac")
    assert done.exit_code == 2
    assert "sac" in done.stderr


def _invoke(folder: Path, *arguments: str) -> Result:
    """Run the command in this process, as it must fail before it starts Ray."""
    app = typer.Typer()
    app.command()(train)
    return CliRunner().invoke(app, list(arguments), env={"RAYBID_VAR_DIR": str(folder)})


def test_validation_is_repeatable_and_knows_better_from_worse() -> None:
    one, same = (Yardstick.of("", markets=2, count=16) for _ in range(2))
    assert one.gains(policy.neutral()) == {world: dict.fromkeys(BUDGETS, 0.0) for world in (COUNTED, DAILY)}
    weight = np.zeros((1, observation.OBSERVATION_SIZE), np.float32)
    low = policy.Policy(((weight, np.array([-1.0], np.float32)),), "tanh", "continuous", np.empty(0), "low")
    gains = one.gains(low)
    assert gains == same.gains(low)
    assert score(gains) < -10.0  # half of every bid


def test_a_loss_anywhere_weighs_ten_times() -> None:
    assert score({"a": {"1/2": 1.0, "1/4": 3.0}}) == 2.0
    assert score({"a": {"1/2": 1.0}, "b": {"1/2": -0.5}}) == pytest.approx(0.25 - 5.0)


@pytest.mark.parametrize(("text", "says"), [(None, "omit --resume"), ("{", "damaged")])
def test_a_checkpoint_that_is_none_is_refused(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "training.json").write_text(text)
    with pytest.raises(CheckpointError, match=says):
        kept.read(tmp_path, TrainingState("ppo", "", 1))


def test_bar_on_a_terminal_shows_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Console(force_terminal=True, width=120), 1_000, "decisions") as show:
        show(500, "")
        show(1_000, "score +0.250, best +0.250")
    assert "1,000 of 1,000 decisions, score +0.250, best +0.250" in capsys.readouterr().out
