"""What is learned from, what judges, and that neither is what a campaign is evaluated on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulation.auction_log import LogError, read_task
from simulation.library import Library
from simulation.sample_logs import write_logs
from simulation.worlds import COUNTED, DAILY, LOGGED, fingerprint, read_pasts, to_judge_by, to_learn_from


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("logs")
    write_logs(made, campaigns=2, streams=1, episodes=8, seed=3)
    return made


def _auctions(library: Library, lanes: int = 60) -> set[tuple[float, float]]:
    """Prices with their pCTRs that a library deals out."""
    drawn = library.sample(np.random.default_rng(0), lanes)
    there = np.isfinite(drawn.price)
    return set(zip(drawn.price[there].tolist(), drawn.pctr[there].tolist(), strict=True))


def test_evaluation_is_in_neither_and_nothing_in_both(folder: Path) -> None:
    learned, judged = (_auctions(make(folder, 1, markets=2)[LOGGED]) for make in (to_learn_from, to_judge_by))
    evaluated = set()
    for name in ("gen-1", "gen-2", "gen-1-stream"):
        after = read_task(folder, name).after
        evaluated |= set(zip(after.price.tolist(), after.pctr.tolist(), strict=True))
    assert len(learned) > 1_000
    assert len(judged) > 1_000
    # Two auctions may be alike by chance, in whole prices and six digits of pCTR.
    assert len(learned & judged) < 0.01 * len(judged)
    assert len(learned & evaluated) < 0.01 * len(learned)
    assert len(judged & evaluated) < 0.01 * len(judged)


def test_pasts_hold_nothing_to_be_evaluated_on(folder: Path) -> None:
    pasts = read_pasts(folder)
    assert [task.name for task in pasts] == ["gen-1", "gen-2", "gen-1-stream"]
    assert [len(task.after) for task in pasts] == [0, 0, 0]
    assert {task.episode for task in pasts} == {1_000}


def test_without_data_there_are_made_up_markets_of_the_seed() -> None:
    one, same, other = (to_learn_from(None, seed, markets=2) for seed in (1, 1, 2))
    assert set(one) == {COUNTED, DAILY}
    for world in one:
        assert _auctions(one[world]) == _auctions(same[world])
        assert _auctions(one[world]) != _auctions(other[world])
        assert _auctions(one[world]) != _auctions(to_judge_by(None, 1, markets=2)[world])


def test_a_fingerprint_is_of_what_is_learned_from(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert fingerprint(copy) == fingerprint(folder)
    (copy / "gen-1.stream-test.txt").write_text("0 1 0.1 0\n")
    assert fingerprint(copy) == fingerprint(folder)
    with (copy / "gen-2.episodes.txt").open("a") as file:
        file.write("0\t3\t0.1\n")
    assert fingerprint(copy) != fingerprint(folder)


def test_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"episodes\.txt"):
        to_learn_from(tmp_path, 1, markets=1)
    with pytest.raises(LogError, match=r"episodes\.txt"):
        fingerprint(tmp_path)
