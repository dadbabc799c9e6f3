"""Logs are read as the protocol cuts them, and what is no log is refused with a reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.auction_log import MAX_PRICE, LogError, campaigns_in, read_episodes, read_rows, read_task
from simulation.sample_logs import write_logs
from simulation.worlds import fingerprint
from tests.simulation.logs import totals


def info(clicks: int = 10, cost: int = 50_000) -> str:
    """Return the totals of a thousand auctions at a price of 50."""
    return msgspec.json.encode(totals(clicks=clicks, cost=cost)).decode()


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
        ("gen-2.episodes.txt", "10\t5\n1\n0\tx\t0.1\n", "is malformed"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t3\t0.1\n", "fewer than two"),
        ("gen-2.episodes.txt", "10\t9\n1\n0\t3\t0.1\n", "less than one"),
        ("gen-2.episodes.txt", "0 3 0.1\n0 3 0.1\n", "first line"),
        ("gen-2.episodes.txt", "10\t0\n", "an episode of 0"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t3\t0.1\n2\n0\t3000000\t0.1\n", "line 5: price is 3000000: .* 0 to 300"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t0.3\t0.1\n", "line 3: price is 0.3: .* whole numbers"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t-3\t0.1\n", "line 3: price is -3"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t301\t0.1\n", "line 3: price is 301"),
        ("gen-2.episodes.txt", "10\t1\n1\n2\t3\t0.1\n", "line 3: click is 2: neither 0 nor 1"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t3\t1.01\n", "line 3: pctr is 1.01: a chance"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t3\tnan\n", r"line 3: '0\\t3\\tnan' is malformed"),
        ("gen-2.episodes.txt", "10\t1\n1\n0,3,0.1\n", "line 3: '0,3,0.1'"),
        ("gen-2.episodes.txt", "10\t2\n1\n0\t3\t0.1\n2\n0\t3\t0.1\n", "line 4: the previous episode has 1 auctions"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t3\t0.1\n0\t3\t0.1\n", "the last episode has 2"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t3\t0.1\t5\n2\n0\t3\t0.1\t4\n", "line 5: hour is 4"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t3\t0.1\t1382421061\n", "line 3: hour is 1382421061"),
        ("gen-2.episodes.txt", "10\t1\n1\n0\t3\t0.1\n2\n0\t3\t0.1\t4\n", "line 5: .* malformed"),
        ("gen-2.info.json", "{}", "imp_train"),
        ("gen-2.info.json", '{"imp_train":0,"clk_train":1,"cost_train":1,"price_counter_train":[]}', "above 0"),
        ("gen-2.info.json", '{"imp_train":1,"clk_train":1,"cost_train":1,"price_counter_train":[1]}', "0 to 300"),
        ("gen-2.info.json", info(clicks=1_001), "1001 clicks on 1000"),
        ("gen-2.info.json", info(cost=50_000_000_000), "cost_train is 5e.07 an impression"),
        ("gen-2.info.json", info(cost=50), "cost_train is 0.05 an impression, price_counter_train 50: .* fen"),
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


def test_packed_files_with_a_mark_and_crlf_are_the_same_log(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("gen-1.*"):
        content = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(content))
    assert campaigns_in(tmp_path) == ["gen-1"]
    assert len(fingerprint(tmp_path)) == 16
    for name in ("gen-1", "gen-1-stream"):
        ours, theirs = (read_task(where, name) for where in (tmp_path, folder))
        assert ours.totals == theirs.totals
        assert ours.after.price.tolist() == theirs.after.price.tolist()


@pytest.mark.parametrize(("factor", "pctr", "told"), [(0.01, 1, "the rows' prices average"), (1, 100, "in percent")])
def test_rows_in_another_unit_than_the_totals_are_refused(
    folder: Path, tmp_path: Path, factor: float, pctr: float, told: str
) -> None:
    (tmp_path / "gen-2.info.json").write_bytes((folder / "gen-2.info.json").read_bytes())
    rows, episode = read_episodes(folder / "gen-2.episodes.txt")
    columns = zip(rows.click.tolist(), rows.price.tolist(), rows.pctr.tolist(), strict=True)
    lines = [f"{c} {int(p * factor)} {min(q * pctr, 1.0):.6f}" for c, p, q in columns]
    (tmp_path / "gen-2.episodes.txt").write_text("\n".join([f"1 {episode}", *lines]))
    with pytest.raises(LogError, match=told):
        read_task(tmp_path, "gen-2")


@given(st.lists(st.tuples(*[st.floats(-2, 400) | st.integers(0, 1) | st.integers(0, 300)] * 3), min_size=1, max_size=5))
def test_every_row_that_is_read_is_one_of_the_format(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[float, float, float]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "c.test.txt"
    path.write_text("".join(f"{click!r} {price!r} {pctr!r}\n" for click, price, pctr in drawn))
    is_right = all(c in (0, 1) and 0 <= p <= MAX_PRICE and p == int(p) and 0 <= q <= 1 for c, p, q in drawn)
    if not is_right:
        with pytest.raises(LogError, match="line "):
            read_rows(path)
        return
    rows = read_rows(path)
    assert [*zip(rows.click, rows.price, rows.pctr, strict=True)] == drawn
