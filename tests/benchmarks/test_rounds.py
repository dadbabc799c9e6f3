"""The arithmetic of `make bench`: medians, ratios within a round, and which level is told first."""

from __future__ import annotations

import pytest

from benchmarks.serving import rounds
from benchmarks.serving.rig import Counted
from benchmarks.serving.rounds import Measurement, Measurements
from benchmarks.serving.wrk import Load


def make_taken(qps: float, *, p99_ms: float = 20.0, errors: int = 0, troubled: int = 0, bids: int = 0) -> Measurement:
    load = Load(int(qps * 10), 10.0, 0, errors, p50_ms=p99_ms / 2, p90_ms=p99_ms, p99_ms=p99_ms, max_ms=p99_ms)
    return Measurement(load, Counted(int(qps * 10), bids, troubled))


def test_figures_are_medians() -> None:
    book = Measurements()
    for qps, p99_ms in ((100.0, 9.0), (300.0, 5.0), (200.0, 7.0)):
        book.add("one", make_taken(qps, p99_ms=p99_ms))
    assert book.figures("one") == {"qps": 200.0, "p50_ms": 3.5, "p99_ms": 7.0}


def test_a_ratio_compares_within_rounds() -> None:
    book = Measurements()
    for fast, slow in ((100.0, 50.0), (400.0, 100.0), (90.0, 30.0)):  # a machine that is slow is so for both
        book.add("fast", make_taken(fast))
        book.add("slow", make_taken(slow))
    assert book.ratio("slow", "fast") == pytest.approx(0.333, abs=0.001)


def test_everything_that_failed_counts() -> None:
    book = Measurements()
    book.add("one", make_taken(10.0, errors=2))
    book.add("other", make_taken(10.0, troubled=3, bids=50))
    assert (book.failed, book.answered, book.bid_rate()) == (5, 200, 0.25)


@pytest.mark.parametrize(("most_p99_ms", "level"), [(100.0, 128), (50.0, 64), (5.0, 128)])
def test_the_fastest_level_within_its_time_is_told_first(most_p99_ms: float, level: int) -> None:
    book = Measurements()
    for connections, qps, p99_ms in ((8, 500.0, 10.0), (64, 2_000.0, 40.0), (128, 2_500.0, 90.0)):
        book.add(rounds.name_of(connections), make_taken(qps, p99_ms=p99_ms))
    assert rounds.best(book, most_p99_ms)["connections"] == level


def test_counters_of_two_moments_say_what_was_the_platforms_fault() -> None:
    before = {"requests": 5, "bid_responses": 2, "no_bid.timeout": 1}
    after = {"requests": 25, "bid_responses": 12, "no_bid.timeout": 3, "no_bid.no_candidate": 7, "no_bid.shed_queue": 1}
    assert Counted.between(before, after) == Counted(requests=20, bids=10, troubled=3)
