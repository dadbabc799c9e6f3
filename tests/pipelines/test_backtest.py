"""The backtest as a user runs it, on made-up auctions."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import typer
from typer.testing import CliRunner

from pipelines.backtest import backtest
from rtb.models import policy
from simulation import shading
from simulation.backtest import programmes
from simulation.backtest.bench import CLASSICS, BacktestResult
from simulation.backtest.figures import TOTAL, figures_of
from simulation.replay import Played
from simulation.sample_logs import write_logs

APP = typer.Typer()
APP.command()(backtest)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_logs(folder, campaigns=2, streams=1, episodes=4, seed=5)
    return folder


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def test_all_classics_from_the_command_line_to_the_report(data: Path, tmp_path: Path) -> None:
    out, shown = run("--data", data, "--budgets", "1/32,1/8", "--out", tmp_path, "--workers", 2,
                     "--ppo", tmp_path / "none", "--dqn", tmp_path / "none")  # fmt: skip
    found = json.loads(out.splitlines()[-1])
    assert tuple(found) == CLASSICS
    assert "skipping ppo: no artefact" in shown
    for by_budget in found.values():
        assert list(by_budget) == ["1/32", "1/8"]
        for figures in by_budget.values():
            assert {"clicks", "value", "value_share", "cost", "wins", "ecpc"} <= set(figures)
            assert 0 < figures["value_share_low"] <= figures["value_share"] <= figures["value_share_high"] <= 1
    assert found["closed"]["1/8"]["value_share"] > found["lin"]["1/8"]["value_share"]
    page = (tmp_path / "report.html").read_text()
    assert "<script src" not in page
    assert "Spend over an episode, budget 1/32" in page
    with (tmp_path / "figures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(CLASSICS) * 2 * (2 + 1)
    total = next(r for r in rows if (r["campaign"], r["bidder"], r["budget"]) == (TOTAL, "rlb", "1/8"))
    assert float(total["value_share"]) == pytest.approx(found["rlb"]["1/8"]["value_share"], abs=1e-5)


def test_a_policy_is_one_more_bidder_and_the_same_again(data: Path, tmp_path: Path) -> None:
    policy.save(tmp_path / "ppo", policy.neutral(), metrics={}, trained_on="nothing")
    arguments = ("--data", data, "--budgets", "1/8", "--bidders", "ppo,closed", "--out", tmp_path, "--workers", 1,
                 "--ppo", tmp_path / "ppo", "--decision", 50)  # fmt: skip
    found, again = (json.loads(run(*arguments)[0].splitlines()[-1]) for _ in range(2))
    assert found == again
    assert found["ppo"] == found["closed"]  # a multiplier of 1.0 is the closed loop


def test_first_price_and_a_stream(data: Path, tmp_path: Path) -> None:
    common = ("--data", data, "--budgets", "1/8", "--bidders", "mcpc", "--out", tmp_path, "--workers", 1)
    second, first = (json.loads(run(*common, "--auction", kind)[0].splitlines()[-1]) for kind in ("second", "first"))
    assert first["mcpc"]["1/8"]["cost"] > 0
    assert first["mcpc"]["1/8"]["value"] < second["mcpc"]["1/8"]["value"]
    stream = json.loads(run(*common, "--campaigns", "gen-1-stream")[0].splitlines()[-1])
    assert stream["mcpc"]["1/8"]["value_share_low"] is None  # one episode says nothing about chance


def test_first_price_compares_what_shading_leaves_of_the_value(data: Path, tmp_path: Path) -> None:
    out, shown = run("--data", data, "--budgets", "1/8", "--bidders", "mcpc", "--auction", "first", "--value", 1.5,
                     "--out", tmp_path, "--workers", 2)  # fmt: skip
    told = json.loads(out.splitlines()[-1])
    assert set(told) == {"mcpc", "shading"}
    found = told["shading"]
    assert set(found) == {*shading.BIDDERS, shading.CLAIRVOYANT}
    assert found["truthful"]["surplus"] == pytest.approx(0.0, abs=1e-9)
    assert found["clairvoyant"]["surplus_share"] == 1.0
    for bidder in ("fraction", "own", "told", "formless", "past"):
        one = found[bidder]
        assert 0.2 < one["surplus_share_low"] <= one["surplus_share"] <= one["surplus_share_high"] < 1.0
        assert one["value"] - one["cost"] == pytest.approx(one["surplus"], abs=0.01)
        assert sum(of["surplus"] for of in one["campaigns"].values()) == pytest.approx(one["surplus"], abs=0.01)
    assert found["past"]["surplus"] > found["fraction"]["surplus"]
    assert "a click is worth 1.5 x" in (tmp_path / "report.html").read_text()
    assert "clairvoyant" in shown
    with (tmp_path / "shading.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found) * (2 + 1)
    assert {row["factor"] for row in rows} == {"1.5"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--bidders", "lin,nobody"], "no bidder nobody"),
        (["--bidders", "ppo", "--ppo", "nowhere"], "no policy artefact in"),
        (["--budgets", "1/0"], "should be shares"),
        (["--budgets", "2"], "at most 1"),
        (["--auction", "third"], "neither"),
        (["--campaigns", "nobody"], "nobody.info.json"),
        (["--data", "nowhere"], "no <campaign>.episodes.txt"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(data: Path, tmp_path: Path, arguments: list[str], reason: str) -> None:
    given = ["--data", data, "--bidders", "mcpc", "--out", tmp_path, "--workers", 1, *arguments]
    _, shown = run(*given, code=1)
    assert reason in shown
    assert "Traceback" not in shown


def test_what_the_tables_take_is_said_before_and_bounded(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--data", data, "--out", tmp_path, "--budgets", "1/32", "--bidders", "ss_mdp,mcpc", "--workers", 1)
    _, shown = run(*given)
    told = " ".join(shown.split())
    assert "a table of 1,000 auctions by " in told
    assert "for 301 price levels takes" in told
    assert told.index("price levels") < told.index("100%")
    monkeypatch.setattr(programmes, "MAX_CELLS", 1_000)
    _, shown = run(*given, code=1)
    assert "give smaller --budgets" in shown
    run(*given, "--bidders", "mcpc")
    monkeypatch.undo()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1))
    _, shown = run(*given, code=1)
    assert "fewer --workers" in shown


@pytest.mark.parametrize(
    ("row", "told"),
    [("0 50000000 0.01", "price is 50000000"), ("0 0.05 0.01", "price is 0.05"), ("2 50 0.01", "click is 2")],
)
def test_other_units_are_refused_with_their_line(data: Path, tmp_path: Path, row: str, told: str) -> None:
    (tmp_path / "c.info.json").write_bytes((data / "gen-1.info.json").read_bytes())
    (tmp_path / "c.episodes.txt").write_text(f"1 1\n1\n0 50 0.01\n2\n{row}\n")
    _, shown = run("--data", tmp_path, "--out", tmp_path, "--workers", 2, code=1)
    assert f"c.episodes.txt, line 5: {told}" in shown
    assert "Traceback" not in shown


def test_sums_weigh_campaigns_by_their_value_and_the_mean_does_not() -> None:
    results = [_result("a", [1.0, 1.0], [2.0, 2.0]), _result("b", [9.0, 9.0], [10.0, 10.0])]
    total = figures_of(results)[-1]
    assert total.campaign == TOTAL
    assert total.value_share == pytest.approx(20 / 24)
    assert total.value_share_mean == pytest.approx((0.5 + 0.9) / 2)
    assert total.value_share_low == pytest.approx(20 / 24)  # all episodes alike: chance has no part in it
    assert total.ecpc is None


def _result(campaign: str, value: list[float], best: list[float]) -> BacktestResult:
    zeros = np.zeros(len(value), np.int64)
    played = Played(zeros, np.array(value), zeros.astype(float), zeros, np.zeros(1))
    return BacktestResult(campaign, "lin", "1/8", played, np.array(best))
