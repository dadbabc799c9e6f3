"""Linear bidders bid what the protocol says, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.auction_log import Task
from simulation.linear import Linear, lin, mcpc
from tests.simulation.logs import moment, rows, totals


def first_bids(bidder: Linear, pctr: list[float]) -> list[float]:
    bids: list[float] = bidder.bids(np.array([pctr]), np.array([1e9]), moment(len(pctr)))[0].tolist()
    return bids


def test_mcpc_bids_the_cost_of_a_click_times_its_chance() -> None:
    bidder = mcpc(totals(clicks=10, cost=50_000))  # 5,000 a click
    assert first_bids(bidder, [0.01, 0.0101, 0.0019, 0.0, 0.9]) == [50, 50, 9, 0, 300]


def test_lin_takes_the_last_of_the_best() -> None:
    # pctr is the average, so the bid is b0; every b0 from 24 on wins the click that costs 20.
    past = rows([20, 90], [0.01, 0.01], [1, 0])
    assert lin(Task("hand", totals(), past, past, 2), 0.5).scale * 0.01 == pytest.approx(1_200)


def test_lin_gives_up_after_five_worse() -> None:
    # A bid of 10 to 19 buys the clicked one only; from 20 on the dear one takes the budget of 25 first.
    past = rows([20, 10, 10], [0.01, 0.01, 0.01], [0, 1, 1])
    task = Task("hand", totals(cost=16_667), past, past, 3)
    assert task.budget(0.5) == 25
    bidder = lin(task, 0.5)
    assert bidder.scale * 0.01 == pytest.approx(18)
    assert first_bids(bidder, [0.01, 0.02]) == [18, 36]
