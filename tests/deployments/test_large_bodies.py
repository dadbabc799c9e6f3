"""Turns for large bodies: small ones never wait, and a caller's large ones are spread out, whatever it sends."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from deployments.large_bodies import LARGE, LargeBodies


def test_a_small_body_never_waits_and_a_first_large_one_neither() -> None:
    turns = LargeBodies(lambda: 100.0)
    assert turns.wait("alpha", 10**6) == 0.0
    assert turns.wait("alpha", LARGE - 1) == 0.0


def test_a_caller_with_many_waits_and_another_does_not() -> None:
    turns = LargeBodies(lambda: 100.0)
    waits = [turns.wait("alpha", 10**6) for _ in range(6)]
    assert waits[:4] == [0.0, *waits[1:4]]
    assert 0.0 < waits[1] < waits[2] < waits[3] <= 0.3
    assert waits[5] == math.inf
    assert turns.wait("beta", 10**6) == 0.0


@given(st.lists(st.tuples(st.floats(0.0, 0.2), st.integers(LARGE, 10**6)), min_size=1, max_size=60))
def test_what_is_read_in_any_time_is_bounded(sent: list[tuple[float, int]]) -> None:
    now = 0.0
    turns = LargeBodies(lambda: now)
    read: list[tuple[float, int]] = []
    for gap, size in sent:
        now += gap
        wait = turns.wait("alpha", size)
        if wait < math.inf:
            read.append((now + wait, size))
    for first in range(len(read)):
        for last in range(first + 1, len(read)):
            assert read[last][0] - read[first][0] >= 0.999 * sum(size for _, size in read[first:last]) * 1e-7
