"""How long a stage is waited for."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from rtb.auction.patience import DECIDE_SHARE, LONGEST_SECONDS, SCORE_SHARE, SHORTEST_SECONDS, patience


@given(st.floats(-10.0, math.inf, exclude_min=True), st.sampled_from([SCORE_SHARE, DECIDE_SHARE]))
def test_it_is_bounded_and_leaves_time_for_the_rest(left: float, share: float):
    seconds = patience(left, share)
    assert SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS
    assert seconds < left or left <= SHORTEST_SECONDS
