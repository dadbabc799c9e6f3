"""Logs are read as the protocol cuts them, and what is no log is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtb.market.auction_log import LogError, campaigns_in, read_episodes, read_task
from rtb.market.sample_logs import write_logs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("logs")
    write_logs(made, campaigns=2, streams=1, episodes=4, seed=3)
    return made


def test_the_second_half_is_evaluated_after_learning_from_the_first(folder: Path) -> None:
    assert campaigns_in(folder) == ["gen-1", "gen-2"]
    task = read_task(folder, "gen-2")
    rows, episode = read_episodes(folder / "gen-2.episodes.txt")
    assert (len(rows), episode) == (4_000, 1_000)
    assert (len(task.before), len(task.after)) == (2_000, 2_000)
    assert task.before.price.tolist() + task.after.price.tolist() == rows.price.tolist()
    assert task.budget(1 / 8) == int(task.totals.cost_train / task.totals.imp_train / 8 * 1_000)
    assert task.totals.price_chance.sum() == pytest.approx(1.0)
    assert task.totals.price_chance.min() > 0


def test_a_test_file_comes_after_all_episodes(folder: Path, tmp_path: Path) -> None:
    for name in ("gen-2.info.json", "gen-2.episodes.txt"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "gen-2.test.txt").write_text("0 42 0.0005\n1 17 0.001\n")
    task = read_task(tmp_path, "gen-2")
    assert (len(task.before), len(task.after), task.episode) == (4_000, 2, 1_000)
    assert task.after.price.tolist() == [42, 17]
    assert task.after.click.tolist() == [0, 1]


def test_a_stream_is_one_long_episode(folder: Path, tmp_path: Path) -> None:
    task = read_task(folder, "gen-1-stream")
    assert (task.episode, len(task.after), len(task.before)) == (16_000, 16_000, 32_000)
    assert task.after.hour[-1] >= task.after.hour[0] > task.before.hour[0]
    for name in ("gen-1.info.json", "gen-1.stream-test.txt", "gen-1.stream.txt"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert campaigns_in(tmp_path) == ["gen-1-stream"]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("gen-2.episodes.txt", "nonsense\n", "first line"),
        ("gen-2.episodes.txt", "10\t5\n1\n0\t3\n", "should be"),
        ("gen-2.episodes.txt", "10\t5\n1\n0\t3\t-0.1\n", "negative"),
        ("gen-2.episodes.txt", "10\t5\n1\n0\tx\t0.1\n", "not of the form"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t3\t0.1\n", "fewer than two"),
        ("gen-2.info.json", "{}", "imp_train"),
        ("gen-2.info.json", '{"imp_train":0,"clk_train":1,"cost_train":1,"price_counter_train":[]}', "above 0"),
        ("gen-2.info.json", '{"imp_train":1,"clk_train":1,"cost_train":1,"price_counter_train":[1]}', "0 to 300"),
    ],
)
def test_what_is_no_log_is_refused(folder: Path, tmp_path: Path, name: str, text: str, reason: str) -> None:
    for file in ("gen-2.info.json", "gen-2.episodes.txt"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    (tmp_path / name).write_text(text)
    with pytest.raises(LogError, match=reason):
        read_task(tmp_path, "gen-2")


def test_a_missing_campaign_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="nobody"):
        read_task(tmp_path, "nobody")
    with pytest.raises(LogError, match=r"episodes\.txt"):
        campaigns_in(tmp_path)
