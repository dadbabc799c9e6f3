"""The published order of things on real auctions, where they lie beside the checkout.

The comparison was made over nine campaigns, one of them on its official test; here are six, each on the second half of
its episodes. So the closed loop and `adaptive`, which hardly depend on the campaign, are held to the table, and the
rest to the order that every run of it shows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulation import paced
from simulation.auction_log import Task, campaigns_in, read_task
from simulation.dynamic_programme import Programme, task_table
from simulation.linear import lin
from simulation.replay import best_value, play
from tests.support import SHARED_DATA, require

FOLDER = SHARED_DATA / "ipinyou"
COMPARED = ("2259", "2261", "2997", "3358", "3386", "3476")


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    require((FOLDER / f"{COMPARED[0]}.episodes.txt").exists(), "the prepared iPinYou auctions, beside the checkout")
    return [read_task(Path(FOLDER), name) for name in campaigns_in(FOLDER) if name in COMPARED]


@pytest.mark.parametrize(
    ("share", "adaptive", "closed"), [(1 / 32, 95.4, 96.0), (1 / 16, 94.3, 98.2), (1 / 8, 93.9, 99.0)]
)
def test_the_pacers_win_what_the_table_says(tasks: list[Task], share: float, adaptive: float, closed: float) -> None:
    assert _mean(tasks, share, "adaptive") == pytest.approx(adaptive, abs=2.0)
    assert _mean(tasks, share, "closed") == pytest.approx(closed, abs=1.0)


def test_the_programme_lies_between_linear_bids_and_the_closed_loop(tasks: list[Task]) -> None:
    share = 1 / 32
    found = {name: _mean(tasks, share, name) for name in ("lin", "rlb", "closed")}
    assert found["lin"] + 10 < found["rlb"] < found["closed"]


def _mean(tasks: list[Task], share: float, name: str) -> float:
    """Mean over campaigns of the share of hindsight's value, in percent."""
    shares = []
    for task in tasks:
        landscape = paced.landscape_of(task)
        if name == "lin":
            played = play(lin(task, share), task, share)
        elif name == "rlb":
            played = play(Programme(task_table(task, share), None), task, share)
        else:
            make = paced.closed if name == "closed" else paced.adaptive
            played = play(make(task, share, landscape), task, share)
        shares.append(100 * played.value.sum() / best_value(task, share).sum())
    return float(np.mean(shares))
