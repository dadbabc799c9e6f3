"""Measurements of one platform: rounds in which what is compared takes turns, and their medians."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.serving import peer
from benchmarks.serving.ceiling import BARE_PATH, EARLY_PATH
from benchmarks.serving.rig import Counted, Rig
from benchmarks.serving.wrk import Load, load
from raybid.local.cluster import Say

LEVELS = (8, 64, 128)
"""Numbers of connections."""

EARLY = "bare answer on the bid path"
"""Name of its measurements, at the middle level."""

_MIDDLE_LEVEL = 64
_LOW_RATE, _LOW_CONNECTIONS = 200.0, 16
_WINS = 0.3
_WARM_UP_SECONDS = 5.0
_BATCH_PATH, _BATCH_CONNECTIONS = "/bid/batch", 4


class MeasurementPlan(NamedTuple):
    """The extent of the measurements.

    Attributes:
        rounds: rounds of each comparison.
        seconds: duration of each measurement.
    """

    rounds: int
    seconds: float


class Measurement(NamedTuple):
    """One measurement: by wrk, and by the platform over the same time."""

    load: Load
    counted: Counted

    @property
    def failed(self) -> int:
        """Requests that failed, or got no bid because of the platform."""
        return self.load.errors + self.counted.troubled


class Measurements:
    """All measurements of a run, by name, and their failures."""

    def __init__(self) -> None:
        self._taken: dict[str, list[Measurement]] = {}

    def add(self, name: str, taken: Measurement) -> None:
        """Add a measurement."""
        self._taken.setdefault(name, []).append(taken)

    def figures(self, name: str) -> dict[str, float]:
        """Return the medians over the rounds of a name."""
        taken = self._taken[name]
        return {
            "qps": round(statistics.median(one.load.qps for one in taken), 1),
            "p50_ms": round(statistics.median(one.load.p50_ms for one in taken), 2),
            "p99_ms": round(statistics.median(one.load.p99_ms for one in taken), 2),
        }

    def ratio(self, name: str, base: str) -> float:
        """Return the median over the rounds of one rate relative to the other in the same round."""
        pairs = zip(self._taken[name], self._taken[base], strict=True)
        return round(statistics.median(one.load.qps / other.load.qps for one, other in pairs), 3)

    def bid_rate(self) -> float:
        """Return the share of the bid requests that got a bid."""
        asked = sum(one.counted.requests for taken in self._taken.values() for one in taken)
        bids = sum(one.counted.bids for taken in self._taken.values() for one in taken)
        return round(bids / asked, 4) if asked else 0.0

    @property
    def failed(self) -> int:
        """Failed requests of all measurements."""
        return sum(one.failed for taken in self._taken.values() for one in taken)

    @property
    def answered(self) -> int:
        """Requests sent in all measurements."""
        return sum(one.load.requests for taken in self._taken.values() for one in taken)


def take(rig: Rig, requests: Path, **options: Any) -> Measurement:
    """Take one measurement of a platform; options as of `wrk.load`."""
    before = rig.counters()
    done = load(rig.settings.base_url, requests, key=rig.key, **options)
    return Measurement(done, Counted.between(before, rig.counters()))


def compare(rig: Rig, requests: Path, plan: MeasurementPlan, say: Say, peer_url: str = "") -> Measurements:
    """Measure one graph: in each round all levels, the bare answer next to each, low load, and notices.

    Args:
        rig: platform to measure.
        requests: requests to replay.
        plan: extent of the measurements.
        say: called with what is being measured.
        peer_url: URL of a peer service to measure in turn; empty: none.
    """
    book = Measurements()
    load(rig.settings.base_url, requests, connections=_MIDDLE_LEVEL, seconds=_WARM_UP_SECONDS, key=rig.key)
    for number in range(plan.rounds):
        for name, options in _turns(plan).items():
            say(f"round {number + 1} of {plan.rounds}: {name}")
            book.add(name, take(rig, requests, **options))
        if peer_url:
            say(f"round {number + 1} of {plan.rounds}: the peer service")
            done = load(peer_url, requests, path=peer.PATH, connections=_MIDDLE_LEVEL, seconds=plan.seconds)
            book.add("peer", Measurement(done, Counted(0, 0, 0)))
    return book


def batches(rig: Rig, calls: Path, plan: MeasurementPlan, say: Say, slots: int) -> list[float]:
    """Return bids per second of the batch endpoint, a figure per round; `calls` holds bodies with this many slots."""
    found = []
    take(rig, calls, path=_BATCH_PATH, connections=_BATCH_CONNECTIONS, seconds=_WARM_UP_SECONDS)
    for number in range(plan.rounds):
        say(f"round {number + 1} of {plan.rounds}: batches of {slots}")
        taken = take(rig, calls, path=_BATCH_PATH, connections=_BATCH_CONNECTIONS, seconds=plan.seconds)
        found.append((taken.counted.requests - taken.counted.troubled) / taken.load.seconds)
    return found


def rate(rig: Rig, requests: Path, plan: MeasurementPlan, say: Say) -> float:
    """Return requests per second at the middle level, the median of the rounds."""
    load(rig.settings.base_url, requests, connections=_MIDDLE_LEVEL, seconds=_WARM_UP_SECONDS, key=rig.key)
    say("measured")
    options = {"connections": _MIDDLE_LEVEL, "seconds": plan.seconds}
    return middle([take(rig, requests, **options).load.qps for _ in range(plan.rounds)])


def best(book: Measurements, most_p99_ms: float) -> dict[str, float]:
    """Return the fastest level whose p99 is within a limit, or the fastest of all if none is."""
    levels = {connections: book.figures(name_of(connections)) for connections in LEVELS}
    within = {level: told for level, told in levels.items() if told["p99_ms"] <= most_p99_ms} or levels
    connections = max(within, key=lambda level: within[level]["qps"])
    return {**levels[connections], "connections": connections}


def name_of(connections: int) -> str:
    """Return the name of measurements at a level."""
    return f"{connections} connections"


def bare_of(connections: int) -> str:
    """Return the name of the bare answer's measurements at a level."""
    return f"bare answer, {connections} connections"


def _turns(plan: MeasurementPlan) -> Mapping[str, dict[str, Any]]:
    turns: dict[str, dict[str, Any]] = {}
    for level in LEVELS:
        turns[name_of(level)] = {"connections": level, "seconds": plan.seconds}
        turns[bare_of(level)] = {"connections": level, "seconds": plan.seconds / 3, "path": BARE_PATH}
    turns[EARLY] = {"connections": _MIDDLE_LEVEL, "seconds": plan.seconds / 3, "path": EARLY_PATH}
    turns["notices"] = {"connections": _MIDDLE_LEVEL, "seconds": plan.seconds, "wins": _WINS}
    turns["low load"] = {"connections": _LOW_CONNECTIONS, "seconds": plan.seconds, "rate": _LOW_RATE}
    return turns


def middle(values: Sequence[float]) -> float:
    """Return the median, to one decimal."""
    return round(statistics.median(values), 1)
