"""What teaches nothing is refused before it is learned from, and what is worse does not come to serve."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ctr_training.enough import LEAST, Untrainable, check_trainable
from pipelines.ctr_training.figures import report
from pipelines.ctr_training.fitting import FitOptions
from pipelines.ctr_training.sources import progress_bars
from pipelines.datasets import ClickData
from pipelines.gate import policy as policy_gate
from pipelines.gate.comparison import GateClosed
from pipelines.gate.served import admit_policy
from pipelines.served_folders import check_folder, is_served
from pipelines.train_ctr import train
from rtb.models import features, observation, policy
from rtb.models.policy import Policy
from rtb.models.registry import RegistryError
from rtb.runtime.settings import Settings
from simulation.auction_log import LogError
from simulation.sample_logs import write_logs
from simulation.worlds import check_pasts
from tests.pipelines.ctr_cases import made_up


def impressions(click: list[bool], *, alike: bool = False) -> ClickData:
    rows = np.zeros((len(click), len(features.FIELDS)), np.int32)
    rows[:, 0] = 0 if alike else np.arange(len(click)) % 7
    clicks = np.array(click, np.float32)
    return ClickData(rows, clicks, np.zeros_like(clicks))


CLICKS = st.lists(st.booleans(), max_size=40)


@given(CLICKS, CLICKS, CLICKS, st.booleans(), st.floats(0.001, 1.0))
def test_what_is_trained_on_has_both_classes_in_every_part(
    first: list[bool], following: list[bool], last: list[bool], alike: bool, kept: float
) -> None:
    least = [min(sum(part), len(part) - sum(part)) for part in (first, following, last)]
    others = kept * (len(first) - sum(first))
    is_right = least[0] >= LEAST and min(least[1:]) >= 1 and not alike and others >= LEAST
    try:
        training, calibrating, judging = (impressions(part, alike=alike) for part in (first, following, last))
        check_trainable(training, calibrating, judging, kept)
    except Untrainable as error:
        assert not is_right
        assert str(error).isprintable()
    else:
        assert is_right


@pytest.mark.parametrize("click", [0.0, 1.0])
def test_a_training_on_one_class_is_refused(click: float) -> None:
    data = made_up(2_000)
    one = ClickData(data.rows, np.full(len(data), click, np.float32), data.conversion * click)
    with pytest.raises(Untrainable, match="clicks on the first 1600 impressions"):
        train(one, FitOptions(), "platt")


def test_the_calibration_of_rows_without_a_click_is_not_told() -> None:
    data = impressions([False] * 30)
    figures = report(np.full((30, 2), 0.1, np.float32), data)
    assert "calibration" not in figures
    assert all(np.isfinite(list(figures.values())))


def test_folders_of_published_models_are_not_written_to(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path / "var")
    published = settings.var_dir / "published"
    for inside in (published, published / "ctr" / "versions" / "x", settings.var_dir):
        with pytest.raises(RegistryError, match="published"):
            check_folder(settings, inside)
    check_folder(settings, settings.ctr_dir)
    (tmp_path / "link").symlink_to(settings.ctr_dir)
    assert is_served(settings.ctr_dir, tmp_path / "link")
    assert not is_served(settings.ctr_dir, tmp_path / "var")


def _always(multiplier: float) -> Policy:
    layer = np.full((1, observation.OBSERVATION_SIZE), multiplier, np.float32), np.zeros(1, np.float32)
    return Policy((layer,), "tanh", "levels", np.array([multiplier]), "")


def test_a_policy_that_is_worse_does_not_come_to_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_gate, "_MARKETS", 2)
    monkeypatch.setattr(policy_gate, "_EPISODES", 16)
    admit_policy(tmp_path / "none", _always(1.0), progress_bars())
    with pytest.raises(GateClosed, match=r"worse than .* --out"):
        admit_policy(tmp_path / "none", _always(0.3), progress_bars())
    policy.save(tmp_path / "bad", _always(0.3), metrics={}, trained_on="nothing")
    admit_policy(tmp_path / "bad", _always(0.4), progress_bars())


def test_logs_that_teach_a_policy_nothing_are_refused_before_a_training(tmp_path: Path) -> None:
    write_logs(tmp_path, campaigns=1, streams=1, episodes=4)
    check_pasts(tmp_path)
    lines = (tmp_path / "gen-1.episodes.txt").read_text().splitlines()
    for row, told in (("0\t50\t0.01", "the same in all"), ("0\t50\t0.0", "averages|pctr is 0")):
        alike = [row if line.count("\t") == 2 else line for line in lines]
        (tmp_path / "gen-1.episodes.txt").write_text("\n".join(alike))
        with pytest.raises(LogError, match=told):
            check_pasts(tmp_path)


def test_a_policy_is_trained_with_the_threads_that_its_cluster_says() -> None:
    """Who imports torch before `on_ray` has set OMP_NUM_THREADS has as many threads as cores."""
    program = "import sys, pipelines.train_policy; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
