"""Admission: sheds what would be late, and finds out by itself that it need not any more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.auction.admission import PROBE_SECONDS, Admission, LatencyWindow, ShedReason


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock) -> Admission:
    return Admission(max_batch=10, in_flight=1, max_queue=50, clock=clock)


class Replica:
    """A replica that answers a batch at a time, whatever is asked of it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.admission = make(clock)
        self.queue = 0
        self.busy_until = clock.now

    def play(self, seconds: float, *, per_second: int, batch: float, tmax: float = 0.1) -> list[bool]:
        """Whether each request was begun, one after the other, while a batch takes this many seconds."""
        begun = []
        for _ in range(int(seconds * per_second)):
            self.clock.now += 1 / per_second
            if self.queue and self.clock.now >= self.busy_until:
                self.queue = max(0, self.queue - 10)
                self.admission.batch_took(batch)
                self.busy_until = self.clock.now + batch
            shed = self.admission.refuses(tmax, self.queue, self.clock.now < self.busy_until)
            self.queue += shed is None
            begun.append(shed is None)
        return begun


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_while_nothing_is_known_everything_is_begun(clock: Clock) -> None:
    assert [make(clock).refuses(0.001, 0, False) for _ in range(3)] == [None] * 3


def test_who_waits_long_enough_is_let_in_and_who_does_not_is_shed(clock: Clock) -> None:
    admission = make(clock)
    for _ in range(20):
        admission.batch_took(0.02)
        admission.rest_took(0.01)
    admission.refuses(1.0, 0, False)
    assert admission.refuses(0.031, 0, False) is None
    assert admission.refuses(0.029, 0, False) is ShedReason.LATENCY
    assert admission.refuses(0.051, 0, True) is None
    assert admission.refuses(0.049, 0, True) is ShedReason.LATENCY
    assert admission.refuses(0.091, 29, True) is None  # two full batches and the one on its way come first
    assert admission.refuses(0.089, 29, True) is ShedReason.LATENCY


def test_a_full_queue_sheds_whatever_the_time(clock: Clock) -> None:
    admission = make(clock)
    assert admission.refuses(60.0, 49, False) is None
    assert admission.refuses(60.0, 50, False) is ShedReason.QUEUE


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_the_high_is_above_nearly_all_and_the_middle_above_half(samples: list[float]) -> None:
    clock = Clock()
    recent = LatencyWindow(clock)
    for sample in samples:
        recent.note(sample)
    last = samples[-64:]
    newest = len(last) / 8  # figures are worked out again when an eighth is new
    assert sum(sample <= recent.high(clock.now) for sample in last) >= 0.95 * len(last) - newest
    assert sum(sample <= recent.middle(clock.now) for sample in last) >= 0.5 * len(last) - newest
    assert recent.high(clock.now) in samples


def test_old_samples_are_forgotten(clock: Clock) -> None:
    recent = LatencyWindow(clock)
    recent.note(9.0)
    assert recent.high(clock.now) == 9.0
    clock.now += 4.0
    recent.note(1.0)
    clock.now += 2.0
    assert (recent.high(clock.now), recent.middle(clock.now)) == (1.0, 1.0)
    clock.now += 4.0
    assert (recent.high(clock.now), recent.middle(clock.now)) == (0.0, 0.0)


def test_while_all_is_shed_a_probe_goes_through_now_and_then(clock: Clock) -> None:
    admission = make(clock)
    admission.batch_took(1.0)
    begun = 0
    for _ in range(1_000):
        clock.now += 0.001
        begun += admission.refuses(0.1, 0, False) is None
    assert 0.5 / PROBE_SECONDS <= begun <= 1.5 / PROBE_SECONDS


def test_it_bids_again_when_the_load_goes(clock: Clock) -> None:
    replica = Replica(clock)
    assert all(replica.play(5, per_second=100, batch=0.01))
    assert sum(replica.play(10, per_second=200, batch=0.5)[-1_000:]) < 100
    assert all(replica.play(10, per_second=100, batch=0.01)[-300:])


def test_overload_is_answered_as_far_as_there_is_capacity(clock: Clock) -> None:
    begun = Replica(clock).play(20, per_second=2_000, batch=0.02)  # ten every 0.02 s is 500 a second
    assert 0.8 * 5_000 <= sum(begun[-20_000:]) <= 1.1 * 5_000


def test_requests_that_come_together_need_room_together_but_in_an_empty_queue():
    admission = Admission(max_batch=10, in_flight=1, max_queue=50)
    assert admission.refuses(60.0, 0, False, 500) is None
    assert admission.refuses(60.0, 10, False, 40) is None
    assert admission.refuses(60.0, 10, False, 41) is ShedReason.QUEUE
