"""`train_ctr` and `evaluate_ctr` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pipelines import evaluate_ctr, train_ctr
from rtb.models.ctr import CTRScorer
from tests.pipelines.ctr_cases import write_table
from tests.support import SHARED_DATA, require

_REAL = SHARED_DATA / "ipinyou-2997-raw" / "train.tsv"


def run(main: Any, *arguments: object, code: int = 0) -> tuple[str, str]:
    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def refused(main: Any, *arguments: object, code: int = 1) -> str:
    """Return the one line of a refusal."""
    out, said = run(main, *arguments, code=code)
    assert not out
    line = said.splitlines()[-1]
    assert line.startswith(("train_ctr: ", "evaluate_ctr: "))
    return line


def last(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    out, shown = run(
        train_ctr.main,
        "--data",
        write_table(folder / "train.tsv", 4_000),
        "--out",
        folder / "ctr",
        "--keep-negatives",
        0.5,
    )
    found = last(out)
    assert found["auc"] > 0.6
    assert (found["impressions"], found["trained_on"], found["model"]) == (4_000, 4_000, "lr")
    assert "lift" in shown
    return folder


def test_a_model_of_a_table_is_compared_with_both_baselines(trained: Path) -> None:
    later = write_table(trained / "later.tsv", 3_000, seed=9)
    out, shown = run(evaluate_ctr.main, "--model", trained / "ctr", "--data", later)
    found = last(out)
    assert list(found) == ["ours", "logistic_regression", "lightgbm"]
    assert all(set(figures) == {"auc", "logloss", "ece"} for figures in found.values())
    assert found["ours"]["auc"] > max(found["logistic_regression"]["auc"], found["lightgbm"]["auc"])
    assert found["ours"]["ece"] < 0.02
    assert "baselines trained on 4000" in " ".join(shown.split())


def test_training_rows_that_are_gone_or_changed_are_named(trained: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", 300)
    run(train_ctr.main, "--data", table, "--out", tmp_path / "ctr")
    judge = ("--model", tmp_path / "ctr", "--data", trained / "train.tsv")
    write_table(table, 300, seed=1)
    assert "has changed" in refused(evaluate_ctr.main, *judge)
    table.unlink()
    assert "is gone: give another with --train FILE" in refused(evaluate_ctr.main, *judge)
    run(evaluate_ctr.main, *judge, "--train", trained / "train.tsv")


def test_a_simulated_model_is_judged_on_traffic_it_has_not_seen(tmp_path: Path) -> None:
    out, _ = run(train_ctr.main, "--impressions", 4_000, "--model", "fm", "--epochs", 1, "--out", tmp_path / "ctr",
                 "--calibration", "isotonic")  # fmt: skip
    found = last(out)
    assert 0 < found["auc_expected"] < found["auc_best"] < 1
    assert CTRScorer.load(tmp_path / "ctr").version == found["version"]
    out, _ = run(evaluate_ctr.main, "--model", tmp_path / "ctr", "--impressions", 2_000)
    assert {"logloss", "ece"} <= set(last(out)["ours"])


def test_what_cannot_be_read_is_refused_in_a_line(tmp_path: Path) -> None:
    assert "No such file" in refused(train_ctr.main, "--data", tmp_path / "none.tsv")
    assert "no folder" in refused(train_ctr.main, "--events", tmp_path / "none")
    assert "at least 100" in refused(train_ctr.main, "--data", write_table(tmp_path / "t.tsv", 20))
    assert "no ctr artefact" in refused(evaluate_ctr.main, "--model", tmp_path)
    both = ("--data", tmp_path / "t.tsv", "--events", tmp_path)
    assert "exclude each other" in refused(train_ctr.main, *both, code=2)
    assert "exclude each other" in refused(evaluate_ctr.main, "--model", tmp_path, *both, code=2)


def test_ours_is_ahead_on_real_impressions_that_came_later(tmp_path: Path) -> None:
    require(_REAL.exists(), "the raw impressions of iPinYou's campaign 2997")
    lines = _REAL.read_text().splitlines(keepends=True)
    cut = len(lines) // 2
    (tmp_path / "first.tsv").write_text("".join(lines[:cut]))
    (tmp_path / "rest.tsv").write_text("".join([lines[0], *lines[cut:]]))
    run(train_ctr.main, "--data", tmp_path / "first.tsv", "--out", tmp_path / "ctr")
    out, _ = run(evaluate_ctr.main, "--model", tmp_path / "ctr", "--data", tmp_path / "rest.tsv")
    found = last(out)
    assert found["ours"]["auc"] > max(found["logistic_regression"]["auc"], found["lightgbm"]["auc"])
    assert found["ours"]["logloss"] < min(found["logistic_regression"]["logloss"], found["lightgbm"]["logloss"])
