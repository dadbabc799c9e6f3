"""The spend a landscape expects is that of its auctions, and it finds the scale that spends so much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.market.landscape import Landscape

SEEDS = st.integers(0, 2**32 - 1)


def market(seed: int, n: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(-6, 1, n)), np.rint(np.exp(rng.normal(4, 0.7, n)))


@settings(max_examples=25)
@given(seed=SEEDS, bid=st.floats(5.0, 500.0), kind=st.sampled_from(["second", "first"]))
def test_expected_spend_is_what_the_past_would_have_cost(seed: int, bid: float, kind: str) -> None:
    pctr, price = market(seed)
    scale = bid / np.exp(-6)
    won = scale * pctr >= price
    cost = np.where(won, price if kind == "second" else scale * pctr, 0).mean()
    table = Landscape.of(pctr, price, kind)  # type: ignore[arg-type]
    assert table.spend(np.array([scale]))[0] == pytest.approx(cost, rel=0.03, abs=0.05)


@settings(max_examples=25)
@given(seed=SEEDS, part=st.floats(0.01, 0.95))
def test_scale_inverts_spend(seed: int, part: float) -> None:
    pctr, price = market(seed)
    table = Landscape.of(pctr, price)
    wanted = np.array([part * price.mean()])
    assert table.spend(table.scale(wanted))[0] == pytest.approx(wanted[0], rel=1e-6)
    assert table.scale(wanted * 1.05)[0] >= table.scale(wanted)[0]


def test_more_than_the_market_has_wins_everything() -> None:
    pctr, price = market(1)
    scale = Landscape.of(pctr, price).scale(np.array([1e9]))[0]
    assert (scale * pctr >= price).all()


def test_campaigns_side_by_side_are_the_same_as_alone() -> None:
    parts = [Landscape.of(*market(seed)) for seed in range(3)]
    together, wanted = Landscape.stack(parts).take([2, 0, 1, 2]), np.array([5.0, 10.0, 20.0, 40.0])
    alone = [parts[i].scale(np.array([w]))[0] for i, w in zip((2, 0, 1, 2), wanted, strict=True)]
    assert together.scale(wanted).tolist() == alone


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Landscape.of(np.zeros(0), np.zeros(0))
