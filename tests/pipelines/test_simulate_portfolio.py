"""The simulation of portfolios as a command: its figures, its report, and that regret's slope is what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pipelines import simulate_portfolio
from simulation.portfolio.figures import slope
from simulation.portfolio.play import PLAYERS


def simulate(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(simulate_portfolio.main)
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def test_strategies_are_compared_in_markets_nobody_tuned_for(tmp_path: Path) -> None:
    code, told, said = simulate("--seeds", "3", "--rounds", "72", "--first", "500", "--out", str(tmp_path))
    assert code == 0, said
    found = json.loads(told.splitlines()[-1])
    assert set(found) == set(PLAYERS)
    for figures in found.values():
        assert figures["overspend_micros"] == 0
        for end in ("", "_drift"):
            share, low, high = (
                figures[f"{name}{end}"] for name in ("value_share", "value_share_low", "value_share_high")
            )
            assert 0.3 < low <= share <= high < 1.0
    for learned in ("bandit", "dual"):
        assert found[learned]["value_share"] > found["proportional"]["value_share"] > found["equal"]["value_share"]
        assert found[learned]["value_share_drift"] > found["performance"]["value_share_drift"]
    page = (tmp_path / "report.html").read_text()
    assert all(player in page for player in PLAYERS)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.3])
def test_a_slope_is_the_power_regret_grows_by(power: float) -> None:
    assert slope(1e-3 * np.arange(1, 200, dtype=np.float64) ** power) == pytest.approx(power, abs=1e-3)


def test_no_regret_has_no_slope() -> None:
    assert slope(np.zeros(50)) == 0.0
