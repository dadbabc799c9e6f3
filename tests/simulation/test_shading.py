"""First-price bidders in markets whose best answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from simulation import shading
from simulation.auction_log import MAX_PRICE, Rows, Task, Totals
from simulation.shading import BIDDERS, CLAIRVOYANT, play

_CLICK = 100_000.0  # CPM: what a click costs on the training days


def _task(price: np.ndarray, pctr: np.ndarray) -> Task:
    half = len(price) // 2
    zeros = np.zeros(len(price))
    rows = Rows(zeros.astype(np.int64), price, pctr, zeros)
    totals = Totals(1_000_000, 1_000, int(1_000 * _CLICK), [1] * (MAX_PRICE + 1))
    return Task("made", totals, rows.part(0, half), rows.part(half), 1_000)


def _made(seed: int, count: int = 16_000, shape: float = 4.0) -> Task:
    rng = np.random.default_rng(seed)
    price = np.clip(np.rint(60.0 * np.exp(rng.logistic(size=count) / shape)), 1, MAX_PRICE)
    return _task(price, rng.lognormal(np.log(1e-3), 0.5, count))


def _shares(task: Task) -> dict[str, float]:
    found = play(task)
    most = found[CLAIRVOYANT].surplus.sum()
    return {name: float(one.surplus.sum() / most) for name, one in found.items()}


def test_in_a_log_logistic_market_own_bids_alone_come_close_to_knowing_the_past() -> None:
    shares = _shares(_made(1))
    assert shares["truthful"] == 0.0
    assert shares["own"] > 0.95 * shares["past"]
    assert shares["told"] > 0.97 * shares["past"]
    assert shares["own"] > shares["fraction"]
    assert max(shares, key=lambda name: shares[name]) == CLAIRVOYANT


def test_prices_in_atoms_are_found_by_who_assumes_no_form() -> None:
    rng = np.random.default_rng(2)
    shares = _shares(_task(rng.choice([20.0, 60.0], 10_000), rng.lognormal(np.log(1e-3), 0.7, 10_000)))
    assert shares["formless"] > 0.93 * shares["past"]
    assert shares["formless"] > shares["told"]


def test_the_clairvoyant_pays_each_price_below_the_value_and_nobody_bids_more_than_it() -> None:
    task = _task(np.array([50.0, 50.0, 0.0, 100.0] * 60), np.array([1e-3, 0.4e-3, 1e-4, 1e-3] * 60))
    found = play(task)
    assert found[CLAIRVOYANT].surplus.tolist() == [30 * (50_000 + 0 + 10_000 + 0)]
    assert found[CLAIRVOYANT].wins.tolist() == [90]
    values = shading.amounts(task.after, task, 1.0)
    for name, make in BIDDERS.items():
        shader = make(values, shading.to_beat(task.after))
        for _ in range(3):
            bids = shader.bids(values)
            assert ((bids >= 0) & (bids <= values)).all(), name
            shader.learn(bids, bids >= shading.to_beat(task.after), shading.to_beat(task.after))


def test_a_click_worth_twice_as_much_is_bid_for_twice_as_high_by_who_bids_the_truth() -> None:
    task = _made(3, count=2_000)
    assert shading.amounts(task.after, task, 2.0) == pytest.approx(2 * shading.amounts(task.after, task, 1.0), abs=2)
