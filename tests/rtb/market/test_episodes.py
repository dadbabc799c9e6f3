"""Worlds to learn pacing in: repeatable one by one, varied, and within their stated ranges."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.market.episodes import UNWINNABLE, Shape, sample_episodes

SHAPE = Shape(8, 50)


@settings(max_examples=25, deadline=None)
@given(seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6), data=st.data())
def test_an_episode_follows_from_its_own_seed(seeds: list[int], data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(seeds) - 1))
    together, alone = sample_episodes(seeds, SHAPE), sample_episodes([seeds[i]], SHAPE)
    for field in fields(together):
        assert np.array_equal(getattr(together, field.name)[i], getattr(alone, field.name)[0]), field.name


def test_amounts_are_in_their_ranges() -> None:
    episodes = sample_episodes(range(200), SHAPE)
    there = np.arange(SHAPE.auctions) < episodes.opportunities[:, :, None]
    assert ((episodes.opportunities >= 1) & (episodes.opportunities <= SHAPE.auctions)).all()
    assert (episodes.price_micros[~there] == UNWINNABLE).all()
    assert (episodes.pctr[~there] == 0).all()
    assert (episodes.price_micros[there] > 0).all()
    assert ((episodes.pctr[there] > 0) & (episodes.pctr[there] <= 0.5)).all()
    total = np.where(there, episodes.price_micros, 0).sum(axis=(1, 2))
    share = episodes.budget_micros / total
    assert share.min() > 1 / 33
    assert share.max() < 1 / 1.99
    assert share.max() / share.min() > 8


def test_worlds_differ_in_what_a_policy_must_tell_apart() -> None:
    episodes = sample_episodes(range(200), SHAPE)
    log_price = np.log(np.where(episodes.price_micros == UNWINNABLE, np.nan, episodes.price_micros))
    assert np.nanmean(log_price, axis=(1, 2)).std() > 0.5
    assert np.ptp(np.nanstd(log_price, axis=(1, 2))) > 0.3
    by_step = np.nanmean(log_price, axis=2)
    assert np.median(np.ptp(by_step, axis=1)) > 0.2
    mean_pctr = episodes.pctr.sum(axis=(1, 2)) / episodes.opportunities.sum(axis=1)
    error = np.log(episodes.usual_pctr / mean_pctr)
    assert 0.05 < np.abs(error).mean() < np.log(1.25)
