"""ORTB's bid is its formula, and its win curve finds the curve it is drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.ortb import Ortb, ortb, win_curve
from simulation.replay import best_value, play
from tests.simulation.logs import moment, task


def test_by_hand() -> None:
    bidder = Ortb(c=30.0, strength=16_000.0)
    # pctr 0.01: sqrt(30 x 160 + 900) - 30 = 45.49...; 0: nothing; 1: above the cap.
    assert bidder.bids(np.array([[0.01, 0.0, 1.0]]), np.array([1e9]), moment(3)).tolist() == [[45.0, 0.0, 300.0]]


def test_the_win_curve_is_found_again() -> None:
    bid = np.arange(301)
    chance = np.diff(bid / (bid + 40.0), prepend=0.0)
    assert win_curve(chance) == pytest.approx(40.0, rel=0.01)


def test_what_is_tuned_on_the_past_serves_the_future() -> None:
    made_up = task(4, episode=500)
    share = play(ortb(made_up, 1 / 8), made_up, 1 / 8).value.sum() / best_value(made_up, 1 / 8).sum()
    assert 0.5 < share <= 1.0
