"""The learning world plays as the backtest does, and pays a policy for what it adds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.models import policy
from rtb.models.observation import OBSERVATION_SIZE
from rtb.pacing.landscape import Kind
from simulation import paced
from simulation.auction_log import Task
from simulation.cut import clock_of, cut
from simulation.daily import daily_task
from simulation.library import Episodes, EpisodeSource, Library
from simulation.replay import play
from simulation.replayed import ReplayedCore
from tests.simulation.logs import task
from tests.support import examples


def library(episode: int = 200) -> Library:
    return Library.of_past([task(seed, episode=episode, episodes=4) for seed in (1, 2, 3)])


_LIBRARIES = {
    "by count": library(),
    "by the clock": Library.of_past([daily_task(np.random.default_rng(s), flights=1, auctions=150.0) for s in (1, 2)]),
}


@pytest.mark.parametrize("kind", _LIBRARIES)
@settings(max_examples=examples(15))
@given(seed=st.integers(0, 2**32 - 1), decision=st.sampled_from([10, 20, 25, 30]))
def test_rewards_add_up_to_the_gain_over_the_closed_loop(kind: str, seed: int, decision: int) -> None:
    """What each decision is told at once, by the money it left, is taken back by the end."""
    rng = np.random.default_rng(seed)
    core = ReplayedCore(decision)
    drawn = _LIBRARIES[kind].sample(rng, 6)
    core.start(drawn)
    total = np.zeros(6)
    while not core.done:
        observation, reward = core.step(rng.uniform(0.5, 2.0, 6))
        assert observation.shape == (6, OBSERVATION_SIZE)
        total += reward
    np.testing.assert_allclose(
        total, (core.value[0] - core.value[1]) / core.best * drawn.price.shape[1] / decision, atol=1e-9
    )
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


def test_a_decision_is_told_at_once_what_its_money_is_worth() -> None:
    """Who bids half saves money that wins later: saving is no loss, nor are the last decisions a gain."""
    core = ReplayedCore()
    core.start(library().sample(np.random.default_rng(1), 60, (1 / 16, 1 / 8)))
    _, reward = core.step(np.full(60, 0.5))
    gain = (core.value[0] - core.value[1]) / core.best * 10  # decisions an episode
    assert gain.mean() < -0.05  # less was won
    assert abs(reward.mean()) < abs(gain.mean()) / 2  # and most of it is still to be had


@pytest.mark.parametrize("kind", ["second", "first"])
@pytest.mark.parametrize("by_clock", [False, True])
def test_it_wins_what_the_backtest_wins(by_clock: bool, kind: Kind) -> None:
    """The same policy, first episode of a campaign, in the learning world and as a bidder of the backtest."""
    counted = task(5, episode=200, episodes=2)
    first = Task("first", counted.totals, counted.before, counted.after.part(0, 200), 200)
    if by_clock:
        first = daily_task(np.random.default_rng(5), flights=1, auctions=200.0)
    rng = np.random.default_rng(0)
    layer = (rng.normal(0, 0.5, (1, OBSERVATION_SIZE)).astype(np.float32), np.zeros(1, np.float32))
    some = policy.Policy((layer,), "tanh", "continuous", np.zeros(0), "some")
    landscape = paced.landscape_of(first, kind)
    played = play(paced.learned(first, 1 / 8, landscape, some, decision=20), first, 1 / 8, kind)
    episodes = cut(first.after, first.episode, first.hours)
    core = ReplayedCore(kind=kind)
    seen = core.start(
        Episodes(
            price=episodes.price,
            pctr=episodes.pctr,
            budget=np.array([float(first.budget(1 / 8))]),
            auctions=np.array([200.0]),
            clock=clock_of(first, episodes),
            past=paced.past_of(first, 1 / 8, landscape),
            cold=np.array([True]),
            price_before=episodes.price,
            pctr_before=episodes.pctr,
        )
    )
    while not core.done:
        seen, _ = core.step(some.multipliers(seen))
    assert core.value[0, 0] == pytest.approx(played.value[0], rel=1e-12)
    assert core.value[0, 0] != core.value[1, 0]


def test_a_warm_loop_knows_how_far_the_forecast_is_off() -> None:
    made = task(1, episode=200, episodes=4)
    one = Library([EpisodeSource(made, made.before)])
    drawn = one.sample(np.random.default_rng(4), 200, (1 / 8, 1 / 4))
    core = ReplayedCore()
    core.start(drawn)
    off = drawn.past.landscape.log_low  # of one campaign: by how much it believes that more must be bid
    correction = core._loops.loop.correction()[:200]  # what it learned, which nothing else shows
    assert (correction[drawn.cold] == 1.0).all()
    # Who believes that bids too high, and spends more than forecast.
    assert np.corrcoef(np.log(correction[~drawn.cold]), off[~drawn.cold])[0, 1] > 0.4
