"""The learning world plays as the backtest does, and pays a policy for what it adds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb import pacing, policy
from rtb.market import paced
from rtb.market.auction_log import Task
from rtb.market.linear import split
from rtb.market.replay import play
from rtb.market.replayed import Episodes, Library, ReplayedCore
from tests.rtb.market.logs import task


def library(episode: int = 200) -> Library:
    return Library([task(seed, episode=episode, episodes=4) for seed in (1, 2, 3)])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), decision=st.sampled_from([10, 20, 25, 30]))
def test_rewards_add_up_to_the_gain_over_the_closed_loop(seed: int, decision: int) -> None:
    rng = np.random.default_rng(seed)
    core = ReplayedCore(decision)
    core.start(library().sample(rng, 6))
    total = np.zeros(6)
    while not core.done:
        observation, reward = core.step(rng.uniform(0.5, 1.5, 6))
        assert observation.shape == (6, pacing.OBSERVATION_SIZE)
        total += reward
    np.testing.assert_allclose(total, (core.value[0] - core.value[1]) / core.best * 200 / decision)
    assert (core.value <= core.best + 1e-9).all()


def test_a_multiplier_of_one_earns_nothing_and_a_bad_one_less() -> None:
    core, rewards = ReplayedCore(), []
    for multiplier in (1.0, 0.1):
        core.start(library().sample(np.random.default_rng(0), 8))
        total = np.zeros(8)
        while not core.done:
            total += core.step(np.full(8, multiplier))[1]
        rewards.append(total)
    assert rewards[0].tolist() == [0.0] * 8
    assert rewards[1].mean() < 0


def test_it_wins_what_the_backtest_wins() -> None:
    """The same policy, first episode of a campaign, in the learning world and as a bidder of the backtest."""
    made_up = task(5, episode=200, episodes=2)
    rng = np.random.default_rng(0)
    size = pacing.OBSERVATION_SIZE
    layer = (rng.normal(0, 0.5, (1, size)).astype(np.float32), np.zeros(1, np.float32))
    some = policy.Policy((layer,), "tanh", "continuous", np.zeros(0), "some")
    first = Task("first", made_up.totals, made_up.before, made_up.after.part(0, 200), 200)
    landscape = paced.landscape_of(first)
    played = play(paced.learned(first, 1 / 8, landscape, some), first, 1 / 8)
    price, pctr, _ = split(first.after, 200)
    usual = np.array([first.before.pctr.mean()]), np.array([first.before.price.mean()])
    budget = np.array([float(first.budget(1 / 8))])
    core = ReplayedCore()
    seen = core.start(Episodes(price, pctr, budget, landscape, *usual, np.array([True])))
    while not core.done:
        seen, _ = core.step(some.multipliers(seen))
    assert core.value[0, 0] == pytest.approx(played.value[0], rel=1e-12)


def test_a_warm_loop_knows_how_far_the_forecast_is_off() -> None:
    drawn = library().sample(np.random.default_rng(4), 200, (1 / 8, 1 / 4))
    core = ReplayedCore()
    core.start(drawn)
    off = drawn.landscape.spend_table[:, -1] / drawn.usual_price
    correction = core._lanes.loop.correction()[:200]  # what it learned, which nothing else shows
    assert (correction[drawn.cold] == 1.0).all()
    # Who believes prices too high bids too high, and spends more than forecast.
    assert np.corrcoef(np.log(correction[~drawn.cold]), np.log(off[~drawn.cold]))[0, 1] > 0.4


def test_draws_follow_the_seed_and_keep_each_episodes_auctions() -> None:
    books = library()
    first, second = (books.sample(np.random.default_rng(9), 20) for _ in range(2))
    assert first.price.tolist() == second.price.tolist()
    known = {tuple(sorted(row)) for row in books.price.tolist()}
    assert {tuple(sorted(row)) for row in first.price.tolist()} <= known
    with pytest.raises(ValueError, match="one length"):
        Library([task(1, episode=100), task(2, episode=200)])
