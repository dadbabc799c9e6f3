"""Whatever bids, no episode's budget is overspent and hindsight is never beaten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.models import policy
from simulation import paced
from simulation.auction_log import Task
from simulation.bidder import Bidder
from simulation.dynamic_programme import Programme, task_table
from simulation.linear import Linear, lin, mcpc
from simulation.ortb import ortb
from simulation.replay import CURVE, best_value, play
from tests.simulation.logs import rows, task, totals
from tests.support import examples

SEEDS = st.integers(0, 2**32 - 1)

MAKERS: dict[str, Callable[[Task, float], Bidder]] = {
    "lin": lin,
    "mcpc": lambda task, share: mcpc(task.totals),
    "ortb": ortb,
    "ss_mdp": lambda task, share: Programme(task_table(task, share), task.totals.ctr),
    "rlb": lambda task, share: Programme(task_table(task, share), None),
    "adaptive": lambda task, share: paced.adaptive(task, share, paced.landscape_of(task)),
    "closed": lambda task, share: paced.closed(task, share, paced.landscape_of(task)),
    "ppo": lambda task, share: paced.learned(task, share, paced.landscape_of(task), policy.neutral()),
}


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=examples(10))
@given(
    seed=SEEDS,
    share=st.sampled_from([1 / 32, 1 / 8, 1 / 2]),
    kind=st.sampled_from(["second", "first"]),
)
def test_no_budget_is_overspent_and_hindsight_not_beaten(
    name: str, seed: int, share: float, kind: Literal["second", "first"]
) -> None:
    made_up = task(seed, episode=60, episodes=3)
    played = play(MAKERS[name](made_up, share), made_up, share, kind)
    assert (played.cost <= made_up.budget(share)).all()
    assert (played.value <= best_value(made_up, share) + 1e-12).all()
    assert played.curve[-1] == pytest.approx(played.cost.mean() / max(made_up.budget(share), 1))
    assert len(played.curve) == CURVE


def test_the_budget_is_filled_again_and_the_last_episode_may_be_short() -> None:
    made_up = Task("hand", totals(), rows([1], [0.1]), rows([50, 50, 50], [0.1, 0.2, 0.3], [1, 0, 1]), 2)
    assert made_up.budget(0.5) == 50
    played = play(Linear(1_000.0), made_up, 0.5)
    assert played.wins.tolist() == [1, 1]
    assert played.clicks.tolist() == [1, 1]
    assert played.cost.tolist() == [50, 50]
    np.testing.assert_allclose(played.value, [0.1, 0.3])
    np.testing.assert_allclose(best_value(made_up, 0.5), [0.2, 0.3])


def test_one_episode_plays_the_same_in_steps_of_one_and_all_at_once() -> None:
    made_up = task(1, episode=200, episodes=2)
    whole, single = Linear(8_000.0), Linear(8_000.0)
    single.step = 1
    for share in (1 / 8, 1 / 2):
        first, second = play(whole, made_up, share), play(single, made_up, share)
        assert first.cost.tolist() == second.cost.tolist()
        assert first.clicks.tolist() == second.clicks.tolist()


def test_a_neutral_policy_is_the_closed_loop() -> None:
    made_up = task(2, episode=500, episodes=4)
    landscape = paced.landscape_of(made_up)
    neutral, closed = (
        paced.learned(made_up, 1 / 8, landscape, policy.neutral()),
        paced.closed(made_up, 1 / 8, landscape),
    )
    assert play(neutral, made_up, 1 / 8).value.tolist() == play(closed, made_up, 1 / 8).value.tolist()


def test_the_closed_loop_keeps_what_it_learned_and_wins_by_it() -> None:
    made_up = task(3, episode=500, episodes=8)
    dear = Task("dear", made_up.totals, made_up.before, made_up.after, made_up.episode)
    dear.after.price[:] = np.minimum(np.rint(dear.after.price * 0.6), 300)  # the market is cheaper than the past was
    landscape = paced.landscape_of(dear)
    closed, adaptive = (make(dear, 1 / 8, landscape) for make in (paced.closed, paced.adaptive))
    spent = [play(bidder, dear, 1 / 8).cost.sum() for bidder in (closed, adaptive)]
    assert closed.remembers
    assert not adaptive.remembers
    assert spent[0] > 0.9 * 8 * dear.budget(1 / 8)
